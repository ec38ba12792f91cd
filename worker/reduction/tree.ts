/**
 * The fixed summation tree (DESIGN section 2): leaf gradients are added as one binary tree over the leaf order, so that
 * the sum is a function of the leaves alone and not of how many workers computed them.
 *
 *     sum(first, span) = leaf(first)                                          where span is 1
 *                      = sum(first, span/2)                                   where the right half has no leaf
 *                      = sum(first, span/2) + sum(first + span/2, span/2)     otherwise
 *
 * and the step's gradient is sum(0, the smallest power of two that reaches leafCount).
 */

/** Contiguous leaves [first, first + count) of the step. */
export interface LeafRun {
  readonly first: number;
  readonly count: number;
}

/**
 * Leaves [firstLeaf, firstLeaf + span) of the step: span is a power of two and firstLeaf a multiple of it. The last node
 * of a level may reach past the end; its missing leaves are simply absent.
 */
export interface TreeNode {
  readonly firstLeaf: number;
  readonly span: number;
}

export const sameNode = (a: TreeNode, b: TreeNode) => a.firstLeaf === b.firstLeaf && a.span === b.span;

/** By rank, from the first leaf of every rank's run followed by the step's number of leaves. */
export function runsOf(runStarts: readonly number[]): LeafRun[] {
  return runStarts.slice(1).map((end, rank) => {
    const first = runStarts[rank]!;
    if (rank === 0 && first !== 0) throw new RangeError(`the first run starts at leaf ${first}, not at 0`);
    if (end < first)
      throw new RangeError(`the run of rank ${rank} ends at leaf ${end}, before its first, ${first}`);
    return { first, count: end - first };
  });
}

/** The node that is the whole tree. */
export function rootOf(leafCount: number): TreeNode {
  if (leafCount < 1) throw new RangeError('a tree without leaves has no root');
  return { firstLeaf: 0, span: 2 ** Math.ceil(Math.log2(leafCount)) };
}

/**
 * The maximal aligned subtrees in a run, in leaf order. In a run that ends at leafCount the last one reaches as far past
 * the end as the tree does.
 */
export function coveringNodes(run: LeafRun, leafCount: number): TreeNode[] {
  if (run.count === 0) return [];
  const rootSpan = rootOf(leafCount).span;
  const runEnd = run.first + run.count;
  if (runEnd > leafCount) throw new RangeError(`a run ends at leaf ${runEnd} of ${leafCount}`);
  const inRun = (end: number) => end <= runEnd || runEnd === leafCount;
  const nodes: TreeNode[] = [];
  for (let firstLeaf = run.first; firstLeaf < runEnd;) {
    let span = 1;
    while (span < rootSpan && firstLeaf % (2 * span) === 0 && inRun(firstLeaf + 2 * span)) span *= 2;
    nodes.push({ firstLeaf, span });
    firstLeaf += span;
  }
  return nodes;
}

/**
 * The slot that is always there: the sum over all leaves is finished in it, on the part that this rank owns, and stays there until
 * the commit, which needs it.
 */
export const GRADIENT_SLOT = 0;

/** One slot's values are added to another's. */
export interface SlotMerge {
  readonly from: number;
  readonly into: number;
}

/**
 * One leaf of a run with all that its gradient leads to. It overwrites its slot or is added to it; `merges` follow in
 * order. Where the gradient comes tensor by tensor, so may they: sums go element by element.
 */
export interface LeafStep {
  readonly leaf: number;
  readonly slot: number;
  readonly accumulate: boolean;
  readonly merges: readonly SlotMerge[];
  /** The node of the plan, by its index, that nothing is added to after this leaf. */
  readonly completes: number | null;
}

/**
 * How a worker sums its run, leaf by leaf, in few buffers ("slots"). Its nodes then lie in their slots, bit for bit as
 * the tree defines them: `a + b` and `b + a` have the same bits, so adding in place keeps the tree's order.
 */
export interface AccumulationPlan {
  readonly steps: readonly LeafStep[];
  /** `coveringNodes` of the run. */
  readonly nodes: readonly { readonly node: TreeNode; readonly slot: number }[];
  readonly slotCount: number;
}

export function accumulationPlan(run: LeafRun, leafCount: number): AccumulationPlan {
  const leaves = Array.from({ length: run.count }, (_, index) => ({ firstLeaf: run.first + index, span: 1 }));
  const { steps, nodes, slotCount } = foldPlan(leaves, leafCount);
  const nodeOf = (leaf: number) => nodes.findIndex(({ node }) => leaf < node.firstLeaf + node.span);
  const leafSteps: (LeafStep & { readonly merges: SlotMerge[] })[] = [];
  for (const step of steps) {
    if (step.kind === 'merge') leafSteps.at(-1)!.merges.push({ from: step.from, into: step.into });
    else {
      const leaf = run.first + step.item;
      const isLast = step.item === run.count - 1 || nodeOf(leaf + 1) !== nodeOf(leaf);
      const completes = isLast ? nodeOf(leaf) : null;
      leafSteps.push({ leaf, slot: step.slot, accumulate: step.accumulate, merges: [], completes });
    }
  }
  return { steps: leafSteps, nodes, slotCount: Math.max(slotCount, GRADIENT_SLOT + 1) };
}

/** `add`: an item's values overwrite the slot, or are added to it. `merge`: `into` becomes `into` + `from`. */
export type FoldStep =
  | { readonly kind: 'add'; readonly item: number; readonly slot: number; readonly accumulate: boolean }
  | { readonly kind: 'merge'; readonly from: number; readonly into: number };

export interface FoldPlan {
  readonly steps: readonly FoldStep[];
  readonly nodes: readonly { readonly node: TreeNode; readonly slot: number }[];
  readonly slotCount: number;
}

/**
 * How to add `items`, adjacent subtrees in leaf order, as far as they make up larger subtrees. A stack holds the subtrees
 * that still wait for their right sibling; the one that starts first is in slot 0.
 */
export function foldPlan(items: readonly TreeNode[], leafCount: number): FoldPlan {
  const rootSpan = leafCount > 0 ? rootOf(leafCount).span : 0;
  const steps: FoldStep[] = [];
  const open: { node: TreeNode; slot: number }[] = [];
  let slotCount = 0;

  /** Takes in the right half where it has no leaf. */
  const grown = ({ firstLeaf, span }: TreeNode): TreeNode => {
    let reach = span;
    while (reach < rootSpan && firstLeaf % (2 * reach) === 0 && firstLeaf + reach >= leafCount) reach *= 2;
    return { firstLeaf, span: reach };
  };
  const replaceTop = (node: TreeNode) => {
    open.push({ node: grown(node), slot: open.pop()!.slot });
  };

  items.forEach((item, index) => {
    const node = grown(item);
    const top = open.at(-1);
    if (top && areSiblings(top.node, node)) {
      steps.push({ kind: 'add', item: index, slot: top.slot, accumulate: true });
      replaceTop(parentOf(top.node));
    } else {
      // Slots are taken and freed as a stack, so the open ones are always 0, 1, 2, …
      const slot = open.length;
      slotCount = Math.max(slotCount, slot + 1);
      steps.push({ kind: 'add', item: index, slot, accumulate: false });
      open.push({ node, slot });
    }
    for (let left = open.at(-2); left && areSiblings(left.node, open.at(-1)!.node); left = open.at(-2)) {
      steps.push({ kind: 'merge', from: open.pop()!.slot, into: left.slot });
      replaceTop(parentOf(left.node));
    }
  });
  return { steps, nodes: open, slotCount };
}

const areSiblings = (left: TreeNode, right: TreeNode) =>
  left.span === right.span &&
  left.firstLeaf + left.span === right.firstLeaf &&
  left.firstLeaf % (2 * left.span) === 0;

const parentOf = (left: TreeNode): TreeNode => ({ firstLeaf: left.firstLeaf, span: 2 * left.span });
