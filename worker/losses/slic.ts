import type { Objective } from './objective.js';
import { paired, type Pair, type PairTerm } from './pair.js';

export interface SlicSettings {
  /** The margin of log-probs asked for, in nats. */
  readonly beta: number;
  /** λ, weight of the chosen completion's likelihood. */
  readonly lambdaCoef: number;
}

/**
 * Sequence Likelihood Calibration (Zhao et al. 2023, "SLiC-HF: Sequence Likelihood Calibration with Human Feedback",
 * arXiv:2305.10425, equation 1; ContextualAI/HALOs@2bb2dd2 trainers.py `SLiCTrainer.loss`). The paper regularizes with the
 * likelihood of the SFT target, HALOs with that of the chosen completion.
 *
 *   loss = max(0, β − log π(y_w|x) + log π(y_l|x)) − λ log π(y_w|x)
 */
export function slicTerm({ chosen, rejected }: Pair<number>, { beta, lambdaCoef }: SlicSettings): PairTerm {
  const missing = beta - chosen + rejected;
  const pull = missing > 0 ? 1 : 0;
  return {
    loss: Math.max(0, missing) - lambdaCoef * chosen,
    slopes: { chosen: -pull - lambdaCoef, rejected: pull },
  };
}

export function slic(settings: SlicSettings): Objective {
  return paired({
    needsReference: false,
    score: ({ logp }) => logp,
    perToken: false,
    loss: (logps) => slicTerm(logps, settings),
    likelihoodWeight: 0,
    reward: ({ logp }) => logp,
  });
}
