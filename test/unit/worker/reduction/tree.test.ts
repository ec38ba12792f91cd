import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { finishTree } from '../../../../worker/reduction/finish-tree.js';
import {
  accumulationPlan,
  coveringNodes,
  rootOf,
  runsOf,
  type LeafRun,
  type TreeNode,
} from '../../../../worker/reduction/tree.js';
import {
  cutIntoRuns,
  randomLeaves,
  sameBits,
  shuffled,
  treeSum,
  type Random,
} from '../../../support/leaves.js';

/** What a worker does with the plan of its run. */
function accumulate(run: LeafRun, leaves: readonly Float32Array[]) {
  const plan = accumulationPlan(run, leaves.length);
  const slots = Array.from({ length: plan.slotCount }, () => new Float32Array(leaves[0]!.length).fill(NaN));
  const add = (slot: Float32Array, values: Float32Array) =>
    values.forEach((value, index) => (slot[index] = slot[index]! + value));
  for (const { leaf, slot, accumulate, merges } of plan.steps) {
    if (accumulate) add(slots[slot]!, leaves[leaf]!);
    else slots[slot]!.set(leaves[leaf]!);
    for (const { from, into } of merges) add(slots[into]!, slots[from]!);
  }
  return plan.nodes.map(({ node, slot }) => ({ node, values: slots[slot]! }));
}

// Around the lengths at which the adding works differently: a vector, a stride of vectors, a block.
const lengths = [1, 3, 17, 16383, 16400];
/** The same with merges element by element, each as soon as the leaf's own is there; in an order of its own. */
function accumulateByElement(run: LeafRun, leaves: readonly Float32Array[], random: Random) {
  const plan = accumulationPlan(run, leaves.length);
  const { length } = leaves[0]!;
  const slots = Array.from({ length: plan.slotCount }, () => new Float32Array(length).fill(NaN));
  const sums: { node: TreeNode; values: Float32Array }[] = [];
  for (const { leaf, slot, accumulate, merges, completes } of plan.steps) {
    for (const index of shuffled([...leaves[0]!.keys()], random)) {
      const value = leaves[leaf]![index]!;
      slots[slot]![index] = accumulate ? slots[slot]![index]! + value : value;
      for (const { from, into } of merges) slots[into]![index]! += slots[from]![index]!;
    }
    if (completes !== null) {
      const { node, slot: at } = plan.nodes[completes]!;
      // As it is now: what comes after must not change it.
      sums.push({ node, values: slots[at]!.slice() });
    }
  }
  return sums;
}

const anyStep = fc.record({
  leafCount: fc.integer({ min: 1, max: 33 }),
  worldSize: fc.integer({ min: 1, max: 8 }),
  elements: fc.constantFrom(...lengths),
  seed: fc.integer(),
});

describe('the summation tree', () => {
  it('gives the recursive definition, bit for bit, however the leaves are cut into runs', () => {
    fc.assert(
      fc.property(anyStep, ({ leafCount, worldSize, elements, seed }) => {
        const { leaves, random } = randomLeaves(leafCount, elements, seed);
        const runs = runsOf(cutIntoRuns(leafCount, worldSize, random));
        const nodes = runs.flatMap((run) => accumulate(run, leaves));
        const sum = new Float32Array(elements);
        finishTree(nodes.reverse(), leafCount, sum);
        assert.ok(sameBits(sum, treeSum(leaves, rootOf(leafCount))));
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same where merges follow each leaf element by element, and a node is whole after its last leaf', () => {
    fc.assert(
      fc.property(anyStep, ({ leafCount, worldSize, seed }) => {
        const { leaves, random } = randomLeaves(leafCount, 17, seed);
        const runs = runsOf(cutIntoRuns(leafCount, worldSize, random));
        const nodes = runs.flatMap((run) => accumulateByElement(run, leaves, random));
        const sum = new Float32Array(17);
        finishTree(nodes, leafCount, sum);
        assert.ok(sameBits(sum, treeSum(leaves, rootOf(leafCount))));
      }),
      { numRuns: 300 },
    );
  });

  it('has values for which another order of addition gives other bits', () => {
    const { leaves } = randomLeaves(8, 512, 1);
    const inOrder = leaves.reduce((sum, leaf) => sum.map((value, index) => value + leaf[index]!));
    assert.ok(!sameBits(inOrder, treeSum(leaves, rootOf(8))));
  });

  it('covers a run with its maximal aligned subtrees, and the plan ends in exactly these', () => {
    fc.assert(
      fc.property(anyStep, ({ leafCount, worldSize, seed }) => {
        const { random } = randomLeaves(0, 0, seed);
        for (const run of runsOf(cutIntoRuns(leafCount, worldSize, random))) {
          const nodes = coveringNodes(run, leafCount);
          let next = run.first;
          for (const { firstLeaf, span } of nodes) {
            assert.equal(firstLeaf, next);
            assert.equal(Number.isInteger(Math.log2(span)) && firstLeaf % span, 0);
            next = Math.min(firstLeaf + span, leafCount);
            // Its parent holds a leaf of another run, or there is none.
            const parent = { start: firstLeaf - (firstLeaf % (2 * span)), span: 2 * span };
            const leaves = { start: parent.start, end: Math.min(parent.start + parent.span, leafCount) };
            const isRoot = firstLeaf === 0 && span === rootOf(leafCount).span;
            assert.ok(isRoot || leaves.start < run.first || leaves.end > run.first + run.count);
          }
          assert.equal(next, run.first + run.count);
          const plan = accumulationPlan(run, leafCount);
          assert.deepEqual(
            plan.nodes.map(({ node }) => node),
            nodes,
          );
          assert.equal(new Set(plan.nodes.map(({ slot }) => slot)).size, nodes.length);
        }
      }),
    );
  });

  it('sums an aligned run of 2^k leaves in k slots (one for a pair)', () => {
    assert.equal(accumulationPlan({ first: 0, count: 1 }, 16).slotCount, 1);
    assert.equal(accumulationPlan({ first: 0, count: 2 }, 16).slotCount, 1);
    assert.equal(accumulationPlan({ first: 8, count: 4 }, 16).slotCount, 2);
    assert.equal(accumulationPlan({ first: 8, count: 8 }, 16).slotCount, 3);
    assert.equal(accumulationPlan({ first: 0, count: 16 }, 16).slotCount, 4);
  });

  it('needs the slot of the gradient alone for an empty run', () => {
    assert.deepEqual(accumulationPlan({ first: 3, count: 0 }, 5), { steps: [], nodes: [], slotCount: 1 });
  });

  it('names the node of a lone last leaf by the whole half that it stands for', () => {
    assert.deepEqual(coveringNodes({ first: 4, count: 1 }, 5), [{ firstLeaf: 4, span: 4 }]);
    assert.deepEqual(coveringNodes({ first: 3, count: 2 }, 5), [
      { firstLeaf: 3, span: 1 },
      { firstLeaf: 4, span: 4 },
    ]);
    assert.deepEqual(coveringNodes({ first: 0, count: 5 }, 5), [{ firstLeaf: 0, span: 8 }]);
  });
});

describe('runsOf', () => {
  it('gives every rank its run', () => {
    assert.deepEqual(runsOf([0, 4, 4, 6]), [
      { first: 0, count: 4 },
      { first: 4, count: 0 },
      { first: 4, count: 2 },
    ]);
  });

  it('refuses runs that do not start at 0 or go backwards', () => {
    assert.throws(() => runsOf([1, 2]), /starts at leaf 1/);
    assert.throws(() => runsOf([0, 3, 2]), /rank 1 ends at leaf 2/);
  });
});

describe('finishTree', () => {
  const values = () => new Float32Array([1, 2]);

  it('refuses nodes that overlap, leave a gap, end early or have another length', () => {
    const into = new Float32Array(2);
    const nodes = (...spans: [number, number][]) =>
      spans.map(([firstLeaf, span]) => ({ node: { firstLeaf, span }, values: values() }));
    assert.throws(() => finishTree(nodes([0, 2], [3, 1]), 4, into), /leaf 2 of 4/);
    assert.throws(() => finishTree(nodes([0, 2], [0, 2], [2, 2]), 4, into), /leaf 2 of 4/);
    assert.throws(() => finishTree(nodes([0, 2]), 4, into), /do not make up the tree/);
    assert.throws(() => finishTree(nodes([0, 4]), 4, new Float32Array(3)), /2 values, not 3/);
  });

  it('leaves its inputs as they are', () => {
    const left = values();
    const right = values();
    const into = new Float32Array(2);
    finishTree(
      [
        { node: { firstLeaf: 0, span: 1 }, values: left },
        { node: { firstLeaf: 1, span: 1 }, values: right },
      ],
      2,
      into,
    );
    assert.deepEqual([...into], [2, 4]);
    assert.deepEqual([...left, ...right], [1, 2, 1, 2]);
  });
});
