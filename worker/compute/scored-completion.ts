import type { ScoredCompletion } from '../losses/objective.js';
import type { Sequence } from '../model/language-model.js';

/** A sequence's completion as a sequence-level method sees it: sums of log-probs, in nats. */
export function scoredCompletion(
  { ids, completionStart }: Sequence,
  scores: Pick<ScoredCompletion, 'logp' | 'referenceLogp' | 'desirable'>,
): ScoredCompletion {
  // The very first token of a sequence is never scored.
  const length = ids.length - Math.max(1, completionStart);
  return { ...scores, length, tokens: null, score: null, critic: null };
}
