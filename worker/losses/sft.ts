import type { LossTerm } from './kto.js';

/**
 * Supervised fine-tuning: the negative log-likelihood of the completion. Averaged over completion tokens, as
 * `transformers` and TRL's `SFTTrainer` do, so a long completion counts for more than a short one.
 */
export function sftTerm(logp: number): LossTerm {
  return { loss: -logp, dLogp: -1, reward: null };
}
