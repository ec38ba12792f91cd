/**
 * Deals a step's leaves to the ranks: rank r takes the contiguous run [starts[r], starts[r + 1]).
 *
 * A rank sends one partial sum, as large as the gradient, for each maximal aligned subtree in its run, and all wait for
 * the longest run. So, of the cuts whose longest run is at most an eighth over an equal share, those are taken that
 * leave the busiest rank the fewest partial sums, then all ranks together, then the most equal runs. With fewer leaves
 * than ranks, the last ranks' runs are empty.
 * @returns worldSize + 1 numbers: each rank's first leaf, then `leafCount`
 */
export function leafRunStarts(leafCount: number, worldSize: number): number[] {
  const longestRun = Math.floor(Math.ceil(leafCount / worldSize) * (1 + TOLERATED_EXCESS));
  const shortestRun = leafCount < worldSize ? 0 : 1;
  for (let mostSums = 1; ; mostSums += 1) {
    const starts = cheapestCuts(leafCount, worldSize, { shortestRun, longestRun, mostSums });
    if (starts !== null) return starts;
  }
}

const TOLERATED_EXCESS = 1 / 8;

interface Limits {
  readonly shortestRun: number;
  readonly longestRun: number;
  readonly mostSums: number;
}

/** Dynamic programming over (ranks dealt to, leaves dealt). null where no cuts keep within the limits. */
function cheapestCuts(leafCount: number, worldSize: number, limits: Limits): number[] | null {
  const { shortestRun, longestRun } = limits;
  const costOfRun = runCosts(leafCount, limits);
  let costs: Float64Array = new Float64Array(leafCount + 1).fill(Infinity);
  costs[0] = 0;
  const startsByRank: Int32Array[] = [];
  for (let rank = 0; rank < worldSize; rank += 1) {
    const next = new Float64Array(leafCount + 1).fill(Infinity);
    const starts = new Int32Array(leafCount + 1);
    // Outside of these bounds the leaves left would not fill, or would overfill, the ranks left.
    const firstEnd = Math.max(0, leafCount - (worldSize - rank - 1) * longestRun);
    const lastEnd = Math.min(leafCount, (rank + 1) * longestRun);
    for (let end = firstEnd; end <= lastEnd; end += 1) {
      for (let start = Math.max(0, end - longestRun); start <= end - shortestRun; start += 1) {
        if (costs[start] === Infinity) continue;
        const cost = costs[start]! + costOfRun(start, end);
        // Of equal cuts the one with the shorter last run: what is left over goes to the first ranks.
        if (cost <= next[end]!) {
          next[end] = cost;
          starts[end] = start;
        }
      }
    }
    costs = next;
    startsByRank.push(starts);
  }
  if (costs[leafCount] === Infinity) return null;
  const cuts = [leafCount];
  for (const starts of startsByRank.reverse()) cuts.unshift(starts[cuts[0]!]!);
  return cuts;
}

/** Partial sums first, squares of lengths (which are least for equal runs) to decide between equals. */
function runCosts(leafCount: number, { mostSums }: Limits): (start: number, end: number) => number {
  const sumsOutweigh = leafCount ** 2 + 1;
  return (start, end) => {
    const sums = partialSumCount(start, end, leafCount);
    return sums > mostSums ? Infinity : sums * sumsOutweigh + (end - start) ** 2;
  };
}

/**
 * How many maximal aligned subtrees (2^j leaves from a multiple of 2^j on) the leaves [start, end) fall into. At the end
 * of all leaves a subtree reaches as far beyond it as it likes: what is not there adds nothing.
 */
export function partialSumCount(start: number, end: number, leafCount: number): number {
  let count = 0;
  for (let leaf = start; leaf < end; count += 1) {
    let size = leaf === 0 ? 2 ** Math.ceil(Math.log2(leafCount)) : leaf & -leaf;
    while (leaf + size > end && end < leafCount) size /= 2;
    leaf += size;
  }
  return count;
}
