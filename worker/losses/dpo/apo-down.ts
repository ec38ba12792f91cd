import type { Pair, PairTerm } from '../pair.js';
import { sigmoid, sigmoidSlope } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * APO-down (D'Oosterlinck et al. 2024, "Anchored Preference Optimization", arXiv:2408.06266, equation 8; TRL v1.16.0
 * trl/trainer/dpo_trainer.py L1475-1481): for a model that is better than both completions, of which the rejected one
 * goes down more.
 *
 *   loss = σ(β r_chosen) + (1 − σ(β d))
 */
export function apoDown({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const [up, margin] = [beta * chosen, beta * (chosen - rejected)];
  return {
    loss: sigmoid(up) + sigmoid(-margin),
    slopes: {
      chosen: beta * (sigmoidSlope(up) - sigmoidSlope(margin)),
      rejected: beta * sigmoidSlope(margin),
    },
  };
}
