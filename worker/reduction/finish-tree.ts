import type { SumMemory } from '../simd/sum-memory.js';
import { foldPlan, rootOf, sameNode, type FoldPlan, type TreeNode } from './tree.js';

export interface NodeValues {
  readonly node: TreeNode;
  readonly values: Float32Array;
}

/**
 * Adds `nodes`, which tile the tree over `leafCount` leaves and come in any order, in the tree's order: `into` becomes
 * the sum, element by element `left + right` in float32. All have `into`'s length; `into` may be none of the inputs,
 * which are left as they are.
 */
export function finishTree(nodes: readonly NodeValues[], leafCount: number, into: SumMemory): void {
  const { length } = into.values;
  const ordered = [...nodes].sort((a, b) => a.node.firstLeaf - b.node.firstLeaf);
  for (const { node, values } of ordered) {
    if (values.length !== length)
      throw new RangeError(`node ${node.firstLeaf}+${node.span} has ${values.length} values, not ${length}`);
  }
  const plan = planOf(
    ordered.map(({ node }) => node),
    leafCount,
  );
  // Block by block through the whole tree: the open levels stay in the cache.
  const [{ length: blockLength }] = into.blocks as [Float32Array];
  for (let start = 0; start < length; start += blockLength) {
    const end = Math.min(start + blockLength, length);
    // Slot 0 is the target itself.
    const slots = Array.from({ length: plan.slotCount }, (_, slot) =>
      slot === 0 ? into.values.subarray(start, end) : into.blocks[slot - 1]!.subarray(0, end - start),
    );
    for (const step of plan.steps) {
      if (step.kind === 'merge') into.addTo(slots[step.into]!, slots[step.from]!);
      else {
        const values = ordered[step.item]!.values.subarray(start, end);
        if (step.accumulate) into.addTo(slots[step.slot]!, values);
        else slots[step.slot]!.set(values);
      }
    }
  }
}

/** The plan that leaves the whole tree in slot 0; an error where the nodes do not tile it. */
function planOf(nodes: readonly TreeNode[], leafCount: number): FoldPlan {
  const { firstLeaf, span } = rootOf(leafCount);
  let end = 0;
  for (const node of nodes) {
    if (node.firstLeaf !== end) throw new RangeError(`leaf ${end} of ${leafCount} is in no node or in two`);
    end += node.span;
  }
  const plan = foldPlan(nodes, leafCount);
  const [whole] = plan.nodes;
  if (plan.nodes.length !== 1 || !whole || !sameNode(whole.node, { firstLeaf, span }))
    throw new RangeError(`the nodes do not make up the tree over ${leafCount} leaves`);
  return plan;
}
