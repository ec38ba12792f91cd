import type { ScoredBatch } from './batch.js';

/** dLoss/dlogp of one sequence: of each of its completion tokens, or one number for all of them. */
export type LogpGradient = number | Float32Array | Float64Array;

/** Values of all targets, by sequence. */
export function splitBySequence({ targetCounts }: ScoredBatch, values: Float32Array): Float32Array[] {
  let start = 0;
  return targetCounts.map((count) => values.subarray(start, (start += count)));
}

/** One gradient for each target; a sequence's single number is that of each of its tokens. */
export function spreadOverTargets(
  { targets, targetCounts }: ScoredBatch,
  perSequence: readonly LogpGradient[],
): Float32Array {
  if (perSequence.length !== targetCounts.length) {
    throw new Error(`${perSequence.length} loss gradients for ${targetCounts.length} sequences`);
  }
  const perTarget = new Float32Array(targets.rows.length);
  let start = 0;
  targetCounts.forEach((count, index) => {
    const gradient = perSequence[index]!;
    if (typeof gradient === 'number') {
      perTarget.fill(gradient, start, start + count);
    } else {
      if (gradient.length !== count) {
        throw new Error(`${gradient.length} loss gradients for the ${count} tokens of sequence ${index}`);
      }
      perTarget.set(gradient, start);
    }
    start += count;
  });
  return perTarget;
}
