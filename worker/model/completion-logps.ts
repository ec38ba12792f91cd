/** What a model thinks of one completion, in nats. */
export interface CompletionLogps {
  /** Sum over the completion's tokens, in float64, in token order. */
  readonly logp: number;
  /** The terms of the sum; null where only the sum is wanted. */
  readonly tokenLogps: Float32Array | null;
}

/** @param byToken keep the terms, for a method that works on tokens */
export function completionLogps(tokenLogps: Float32Array, byToken: boolean): CompletionLogps {
  const logp = tokenLogps.reduce((sum, term) => sum + term, 0);
  return { logp, tokenLogps: byToken ? tokenLogps : null };
}
