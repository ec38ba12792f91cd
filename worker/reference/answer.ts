import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { CompletionLogps } from '../model/completion-logps.js';

/** What the frozen reference thinks of one example. */
export interface ReferenceAnswer {
  /** Of its completions, in their order. */
  readonly completions: readonly CompletionLogps[];
  /** Of the mismatched completion; null where the example has none. */
  readonly mismatched: CompletionLogps | null;
}

/** As it travels. */
export function completionMessage({ logp, tokenLogps }: CompletionLogps): v1.CompletionLogps.$Properties {
  return { logp, tokenLogps: tokenLogps === null ? [] : Array.from(tokenLogps) };
}

export function answerMessage({ completions, mismatched }: ReferenceAnswer): v1.ReferenceAnswer.$Properties {
  return {
    completions: completions.map(completionMessage),
    mismatched: mismatched === null ? null : completionMessage(mismatched),
  };
}

/**
 * Reads log-probs from the wire.
 *
 * @param tokens completion tokens of the sequence, where its log-probs by token are due; null where only the sum is
 * @throws RunError naming `sender` where they are not finite, or not as many as due
 */
export function readCompletion(
  message: v1.CompletionLogps.$Properties | null | undefined,
  tokens: number | null,
  sender: string,
): CompletionLogps {
  const logp = message?.logp ?? Number.NaN;
  const tokenLogps = message?.tokenLogps ?? [];
  if (!Number.isFinite(logp) || !tokenLogps.every(Number.isFinite)) {
    throw new RunError(`${sender} sent a log-prob that is missing or not finite`);
  }
  if (tokens === null) return { logp, tokenLogps: null };
  if (tokenLogps.length !== tokens) {
    throw new RunError(`${sender} sent ${tokenLogps.length} token log-probs for ${tokens} completion tokens`);
  }
  return { logp, tokenLogps: Float32Array.from(tokenLogps) };
}
