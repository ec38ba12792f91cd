import { BLOCK_SIZE } from '../parameters/layout.js';

/**
 * Sums of squares over the fixed grid of blocks, in float64. Taking the norm from these, added in block order, makes it a
 * function of the gradient alone, however the blocks are shared out over workers.
 *
 * @param slices consecutive views of the flat space that start and end on the block grid
 */
export function blockSquareSums(slices: readonly Float32Array[]): Float64Array {
  const blocks = slices.reduce((total, slice) => total + slice.length, 0) / BLOCK_SIZE;
  const sums = new Float64Array(blocks);
  let block = 0;
  for (const slice of slices) {
    for (let start = 0; start < slice.length; start += BLOCK_SIZE) {
      let sum = 0;
      for (let i = start; i < start + BLOCK_SIZE; i++) sum += slice[i]! * slice[i]!;
      sums[block++] = sum;
    }
  }
  return sums;
}

/** The global L2 norm, from all blocks' sums of squares in block order. */
export function gradientNorm(sums: Iterable<number>): number {
  let total = 0;
  for (const sum of sums) total += sum;
  return Math.sqrt(total);
}

/** What the gradient is multiplied by to clip its norm, as `torch.nn.utils.clip_grad_norm_`; 0 for `maxNorm` is no clipping. */
export function clipScale(norm: number, maxNorm: number): number {
  return maxNorm === 0 ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
}
