import type { Pair, PairTerm } from '../pair.js';
import type { DpoSettings } from './settings.js';

/**
 * Self-Play Preference Optimization with hard probabilities, 1 for the chosen and 0 for the rejected (Wu et al. 2024,
 * arXiv:2405.00675, equation 4.7; TRL v1.16.0 trl/trainer/dpo_trainer.py L1438-1445).
 *
 *   loss = (r_chosen − 1/(2β))² + (r_rejected + 1/(2β))²
 */
export function sppoHard({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const win = chosen - 0.5 / beta;
  const lose = rejected + 0.5 / beta;
  return { loss: win ** 2 + lose ** 2, slopes: { chosen: 2 * win, rejected: 2 * lose } };
}
