import type { JudgedCompletion, ScoredCompletion } from '../losses/objective.js';
import { completionLength, type Sequence } from '../model/batch.js';
import type { CompletionLogps } from '../model/completion-logps.js';

/** How people judged an example: a thumb, a score, or neither (a pair's order says it). */
export interface Judgement {
  readonly desirable: boolean | null;
  readonly score: number | null;
}

/** A sequence's completion as it is known before the policy scores it. */
export function judgedCompletion(sequence: Sequence, { desirable, score }: Judgement): JudgedCompletion {
  return { length: completionLength(sequence), desirable, score, critic: null };
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
