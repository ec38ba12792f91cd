import type { JudgedCompletion, ScoredCompletion, TokenValues } from '../losses/objective.js';
import { completionLength, type Sequence } from '../model/batch.js';
import type { CompletionLogps } from '../model/completion-logps.js';

/** How people judged an example: a thumb, a score, or neither (a pair's order says it). */
export interface Judgement {
  readonly desirable: boolean | null;
  readonly score: number | null;
}

/**
 * A sequence's completion as it is known before the policy scores it.
 *
 * @param values the critic's, under the weights that the step began with; null for a method without a critic. They stand for
 *   both of the loss's: from the batch statistic to the loss no weight changes, and a micro-batch gives the same bits.
 */
export function judgedCompletion(
  sequence: Sequence,
  { desirable, score }: Judgement,
  values: TokenValues | null,
): JudgedCompletion {
  const critic = values === null ? null : { values, oldValues: values };
  return { length: completionLength(sequence), desirable, score, critic };
}

/** The same with what the policy and the reference say of it. */
export function scoredCompletion(
  judged: JudgedCompletion,
  policy: CompletionLogps,
  reference: CompletionLogps | null,
): ScoredCompletion {
  const tokens =
    policy.tokenLogps === null || reference === null || reference.tokenLogps === null
      ? null
      : { logps: policy.tokenLogps, referenceLogps: reference.tokenLogps };
  return { ...judged, logp: policy.logp, referenceLogp: reference?.logp ?? null, tokens };
}
