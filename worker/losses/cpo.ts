import { dpoSigmoid } from './dpo/sigmoid.js';
import type { Objective } from './objective.js';
import { paired } from './pair.js';

export interface CpoSettings {
  readonly beta: number;
  readonly labelSmoothing: number;
  /** α, weight of the chosen completions' likelihood. */
  readonly cpoAlpha: number;
}

/**
 * Contrastive Preference Optimization (Xu et al. 2024, "Contrastive Preference Optimization: Pushing the Boundaries of LLM
 * Performance in Machine Translation", arXiv:2401.08417, equation 3; TRL v1.16.0 trl/experimental/cpo/cpo_trainer.py
 * L723-728, L890): DPO with a uniform reference, and the chosen completions' likelihood.
 *
 *   loss = mean over pairs of −log σ(β (log π(y_w|x) − log π(y_l|x)))
 *          + α · mean over chosen tokens of −log π(token)
 */
export function cpo(settings: CpoSettings): Objective {
  return paired({
    needsReference: false,
    score: ({ logp }) => logp,
    perToken: false,
    loss: (logps) => dpoSigmoid(logps, settings),
    likelihoodWeight: settings.cpoAlpha,
    reward: ({ logp }) => settings.beta * logp,
  });
}
