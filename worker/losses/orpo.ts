import type { Objective } from './objective.js';
import { paired, type Pair, type PairTerm } from './pair.js';
import { logSigmoid } from './sigmoid.js';

export interface OrpoSettings {
  /** λ in the paper, `beta` in TRL: weight of the odds ratio beside the likelihood. */
  readonly beta: number;
}

/** log(1 − eˣ) for x < 0, exact on both sides of −log 2. */
function log1mExp(x: number): number {
  return x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x));
}

/**
 * The odds-ratio term, on log-probs per token.
 *
 *   p = exp(log π(y|x) / |y|),   odds = p / (1 − p)
 *   loss = −β log σ(log odds_chosen − log odds_rejected)
 */
export function oddsRatioTerm({ chosen, rejected }: Pair<number>, { beta }: OrpoSettings): PairTerm {
  const logOdds = chosen - rejected - (log1mExp(chosen) - log1mExp(rejected));
  // σ(−log odds ratio) = p_l (1 − p_w) / total, and ∂log odds/∂log p = 1/(1 − p): divided out, p_w = 1 has a slope.
  const [chosenP, rejectedP] = [Math.exp(chosen), Math.exp(rejected)];
  const [chosenRest, rejectedRest] = [-Math.expm1(chosen), -Math.expm1(rejected)];
  const total = chosenP * rejectedRest + rejectedP * chosenRest;
  return {
    loss: -beta * logSigmoid(logOdds),
    slopes: {
      chosen: (-beta * rejectedP) / total,
      rejected: (beta * rejectedP * chosenRest) / (rejectedRest * total),
    },
  };
}

/**
 * Odds Ratio Preference Optimization (Hong et al. 2024, "ORPO: Monolithic Preference Optimization without Reference
 * Model", arXiv:2403.07691, equations 4, 6 and 7; TRL v1.16.0 trl/experimental/orpo/orpo_trainer.py L87-91, L693-697,
 * L848): the chosen completions' likelihood and the odds-ratio term. TRL's likelihood takes in the prompt; here, as
 * everywhere, only completion tokens count.
 */
export function orpo(settings: OrpoSettings): Objective {
  return paired({
    needsReference: false,
    score: ({ logp }) => logp,
    perToken: true,
    loss: (meanLogps) => oddsRatioTerm(meanLogps, settings),
    likelihoodWeight: 1,
    reward: ({ logp, length }) => (settings.beta * logp) / length,
  });
}
