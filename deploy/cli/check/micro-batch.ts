import { mismatchedCompletion } from '../../../coordinator/plan/pairing.js';
import type { Unit } from '../../../coordinator/plan/unit.js';
import type { Sequence } from '../../../worker/model/language-model.js';
import { joinSequence } from '../sequence.js';

interface Planned {
  readonly examples: readonly Unit[];
  /** By example: whose completion its prompt takes for the KL estimate, or null. */
  readonly pairs: readonly (number | null)[];
}

interface Sizes {
  readonly microBatchSize: number;
  readonly maxLength: number;
}

/**
 * The micro-batches of a stage that need the most memory: those of its longest examples, since micro-batches are cut by
 * length, and those with the most completion tokens, of which each has its row of logits.
 */
export function largestMicroBatches({ examples }: Planned, { microBatchSize }: Sizes): Sequence[][] {
  const units = examples.map(({ promptIds, completions }) =>
    completions.map((completionIds) => joinSequence({ promptIds, completionIds })),
  );
  const longest = ([first, second = first]: readonly Sequence[]) =>
    Math.max(first!.ids.length, second!.ids.length);
  const scored = (sequences: readonly Sequence[]) =>
    sequences.reduce((sum, { ids, completionStart }) => sum + ids.length - completionStart, 0);
  return [longest, scored].map((sizeOf) => largest(units, microBatchSize, sizeOf).flat());
}

/** The mismatched pairs that are longest together; none where the method has none. */
export function largestMismatchedBatch(
  { examples, pairs }: Planned,
  { microBatchSize, maxLength }: Sizes,
): Sequence[] {
  const mismatched = examples.flatMap((example, index) => {
    const donor = examples[pairs[index] ?? -1];
    if (donor === undefined) return [];
    const completionIds = mismatchedCompletion(example, { completionIds: donor.completions[0] }, maxLength);
    return [joinSequence({ promptIds: example.promptIds, completionIds })];
  });
  return largest(mismatched, microBatchSize, ({ ids }) => ids.length);
}

function largest<T>(items: readonly T[], count: number, sizeOf: (item: T) => number): T[] {
  return items.toSorted((a, b) => sizeOf(b) - sizeOf(a)).slice(0, count);
}
