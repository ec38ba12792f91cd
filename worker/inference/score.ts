import type { Sequence } from '../model/language-model.js';
import type { InferenceModel } from './open.js';

/**
 * Sums of the completions' log-probs, in the order of `sequences`. Computed in batches of similar length, to save padding.
 *
 * @param batchSize sequences computed together; it may change the last bits
 */
export function scoreSequences(
  { model, weights }: InferenceModel,
  sequences: readonly Sequence[],
  { batchSize }: { readonly batchSize: number },
): Float64Array {
  const byLength = sequences.map((_, index) => index);
  byLength.sort((a, b) => sequences[a]!.ids.length - sequences[b]!.ids.length);
  const logps = new Float64Array(sequences.length);
  for (let start = 0; start < byLength.length; start += batchSize) {
    const batch = byLength.slice(start, start + batchSize);
    const scored = model.logps(
      weights,
      batch.map((index) => sequences[index]!),
    );
    batch.forEach((index, place) => (logps[index] = scored[place]!));
  }
  return logps;
}
