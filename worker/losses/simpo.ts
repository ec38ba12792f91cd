import type { Objective } from './objective.js';
import { ofMargin, paired, type Pair, type PairTerm } from './pair.js';
import { logSigmoid, sigmoid } from './sigmoid.js';

export interface SimpoSettings {
  readonly beta: number;
  /** γ, the margin of rewards asked for. HALOs gives γ/β instead. */
  readonly simpoGamma: number;
}

/**
 * Simple Preference Optimization (Meng et al. 2024, arXiv:2405.14734, equation 6; TRL v1.16.0
 * trl/experimental/cpo/cpo_trainer.py L715-722 with `cpo_alpha` 0; HALOs train/trainers.py L817-819 at 4831988), on
 * log-probs per token, without a reference.
 *
 *   loss = −log σ(β (m_chosen − m_rejected) − γ),   m = log π(y|x) / |y|
 */
export function simpoTerm({ chosen, rejected }: Pair<number>, { beta, simpoGamma }: SimpoSettings): PairTerm {
  const x = beta * (chosen - rejected) - simpoGamma;
  return ofMargin(-logSigmoid(x), -beta * sigmoid(-x));
}

export function simpo(settings: SimpoSettings): Objective {
  return paired({
    needsReference: false,
    score: ({ logp }) => logp,
    perToken: true,
    loss: (meanLogps) => simpoTerm(meanLogps, settings),
    likelihoodWeight: 0,
    reward: ({ logp, length }) => (settings.beta * logp) / length,
  });
}
