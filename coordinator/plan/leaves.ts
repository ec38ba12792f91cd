/**
 * Cuts a batch into micro-batches, the leaves of the gradient's sum: examples of similar length share one, to save
 * padding, and the leaves are ordered so that any contiguous run of them is about as much work as another.
 * A function of the lengths alone, never of the workers.
 * @param lengths tokens of each example of the batch, by position
 * @returns for each leaf the positions of its examples, ascending
 */
export function cutIntoLeaves(lengths: readonly number[], microBatchSize: number): number[][] {
  const longestFirst = lengths.map((_, position) => position);
  longestFirst.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const leaves: number[][] = [];
  for (let start = 0; start < longestFirst.length; start += microBatchSize) {
    leaves.push(longestFirst.slice(start, start + microBatchSize).sort((a, b) => a - b));
  }
  return drawOrder(leaves.length).map((rank) => leaves[rank]!);
}

/**
 * Ranks 0 … n − 1 as in the draw of a knock-out tournament: 0 7 3 4 1 6 2 5. In every aligned subtree the high and the
 * low ranks balance, so that a run of leaves in this order holds long and short ones alike.
 */
function drawOrder(count: number): number[] {
  let order = [0];
  while (order.length < count) {
    const lowest = 2 * order.length - 1;
    order = order.flatMap((rank) => [rank, lowest - rank]);
  }
  return order.filter((rank) => rank < count);
}
