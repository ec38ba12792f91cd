import { foldPlan, rootOf, sameNode, type FoldPlan, type TreeNode } from './tree.js';

export interface NodeValues {
  readonly node: TreeNode;
  readonly values: Float32Array;
}

/** Elements that are summed through the whole tree at once: the scratch of the open levels stays in the cache. */
const BLOCK_ELEMENTS = 4096;

/**
 * Adds `nodes`, which tile the tree over `leafCount` leaves and come in any order, in the tree's order: `into` becomes
 * the sum, element by element `left + right` in float32. All arrays have `into`'s length; `into` may be none of the
 * inputs, which are left as they are.
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
  // Slot 0 is the target itself.
  const scratch: Float32Array[] = Array.from(
    { length: plan.slotCount },
    () => new Float32Array(BLOCK_ELEMENTS),
  );
  for (let start = 0; start < into.length; start += BLOCK_ELEMENTS) {
    const end = Math.min(start + BLOCK_ELEMENTS, into.length);
    scratch[0] = into.subarray(start, end);
    for (const step of plan.steps) {
      if (step.kind === 'merge') add(scratch[step.into]!, scratch[step.from]!, end - start);
      else {
        const values = ordered[step.item]!.values.subarray(start, end);
        if (step.accumulate) add(scratch[step.slot]!, values, end - start);
        else scratch[step.slot]!.set(values);
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

function add(into: Float32Array, values: Float32Array, count: number): void {
  for (let index = 0; index < count; index++) into[index] = into[index]! + values[index]!;
}
