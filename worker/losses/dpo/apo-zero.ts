import type { Pair, PairTerm } from '../pair.js';
import { sigmoid, sigmoidSlope } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * APO-zero (D'Oosterlinck et al. 2024, "Anchored Preference Optimization", arXiv:2408.06266, equation 7; TRL v1.16.0
 * trl/trainer/dpo_trainer.py L1467-1473): for chosen completions that are better than what the model says by itself.
 *
 *   loss = (1 − σ(β r_chosen)) + σ(β r_rejected)
 */
export function apoZero({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const [up, down] = [beta * chosen, beta * rejected];
  return {
    loss: sigmoid(-up) + sigmoid(down),
    slopes: { chosen: -beta * sigmoidSlope(up), rejected: beta * sigmoidSlope(down) },
  };
}
