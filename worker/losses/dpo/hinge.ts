import { ofMargin, type Pair, type PairTerm } from '../pair.js';
import type { DpoSettings } from './settings.js';

/**
 * Hinge loss on DPO's margin (Liu et al. 2023, "Statistical Rejection Sampling Improves Preference Optimization",
 * arXiv:2309.06657; TRL v1.16.0 trl/trainer/dpo_trainer.py L1390-1391).
 *
 *   loss = max(0, 1 − β d)
 */
export function dpoHinge({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const missing = 1 - beta * (chosen - rejected);
  return missing > 0 ? ofMargin(missing, -beta) : ofMargin(0, 0);
}
