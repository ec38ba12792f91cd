import type { Objective } from './objective.js';
import { onlyCompletion, shareOf, type LossTerm } from './unpaired.js';

/**
 * Supervised fine-tuning: the negative log-likelihood of the completion. Averaged over completion tokens, as
 * `transformers` and TRL's `SFTTrainer` do (HALOs' too: train/trainers.py L575, L581 at 4831988), so a long completion
 * counts for more than a short one.
 */
export function sftTerm(logp: number): LossTerm {
  return { loss: -logp, dLogp: -1, reward: null };
}

/**
 * Conditional SFT (Korbak et al. 2023, "Pretraining Language Models with Human Preferences", arXiv:2302.08582) is the same
 * objective: the control token that says good or bad is part of the data.
 */
export function sft(): Objective {
  return {
    rows: 'any',
    needsReference: false,
    tokenLevel: false,
    needsCritic: false,
    batchStatistic: null,
    term: (unit, { counts }) => shareOf(sftTerm(onlyCompletion(unit).logp), counts.completionTokens),
  };
}
