import { BLOCK_ELEMENTS, SumMemory } from '../simd/sum-memory.js';
import { foldPlan, rootOf, sameNode, type FoldPlan, type TreeNode } from './tree.js';

export interface NodeValues {
  readonly node: TreeNode;
  readonly values: Float32Array;
}

/** A tree over 2^16 leaves has as many open levels. */
const MAX_SLOTS = 17;

/** One block for each open level of the tree: they stay in the cache. */
const scratch = new SumMemory(MAX_SLOTS * BLOCK_ELEMENTS);

/**
 * Adds `nodes`, which tile the tree over `leafCount` leaves and come in any order, in the tree's order: `into` becomes
 * the sum, element by element `left + right` in float32. All arrays have `into`'s length; `into` may be one of the
 * inputs. The others are left as they are.
 */
export function finishTree(nodes: readonly NodeValues[], leafCount: number, into: Float32Array): void {
  const ordered = [...nodes].sort((a, b) => a.node.firstLeaf - b.node.firstLeaf);
  for (const { node, values } of ordered) {
    if (values.length !== into.length)
      throw new RangeError(
        `node ${node.firstLeaf}+${node.span} has ${values.length} values, not ${into.length}`,
      );
  }
  const plan = planOf(
    ordered.map(({ node }) => node),
    leafCount,
  );
  if (ordered.length === 1 && isSame(ordered[0]!.values, into)) return;
  for (let start = 0; start < into.length; start += BLOCK_ELEMENTS) {
    const end = Math.min(start + BLOCK_ELEMENTS, into.length);
    const slots = Array.from({ length: plan.slotCount }, (_, slot) =>
      scratch.values.subarray(slot * BLOCK_ELEMENTS, slot * BLOCK_ELEMENTS + end - start),
    );
    for (const step of plan.steps) {
      if (step.kind === 'merge') scratch.addTo(slots[step.into]!, slots[step.from]!);
      else {
        const values = ordered[step.item]!.values.subarray(start, end);
        if (step.accumulate) scratch.addTo(slots[step.slot]!, values);
        else slots[step.slot]!.set(values);
      }
    }
    into.set(slots[0]!, start);
  }
}

const isSame = (a: Float32Array, b: Float32Array) => a.buffer === b.buffer && a.byteOffset === b.byteOffset;

/** The plan that leaves the whole tree in slot 0; an error where the nodes do not tile it. */
function planOf(nodes: readonly TreeNode[], leafCount: number): FoldPlan {
  const { firstLeaf, span } = rootOf(leafCount);
  let end = 0;
  for (const node of nodes) {
    if (node.firstLeaf !== end) throw new RangeError(`leaf ${end} of ${leafCount} is in no node or in two`);
    end += node.span;
  }
  const plan = foldPlan(nodes, leafCount);
  if (plan.slotCount > MAX_SLOTS) throw new RangeError(`a tree of ${plan.slotCount} open levels`);
  const [whole] = plan.nodes;
  if (plan.nodes.length !== 1 || !whole || !sameNode(whole.node, { firstLeaf, span }))
    throw new RangeError(`the nodes do not make up the tree over ${leafCount} leaves`);
  return plan;
}
