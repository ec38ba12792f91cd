import { ofMargin, type Pair, type PairTerm } from '../pair.js';
import type { DpoSettings } from './settings.js';

/**
 * Identity Preference Optimization (Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human
 * Preferences", arXiv:2310.12036, equation 17, τ = β; TRL v1.16.0 trl/trainer/dpo_trainer.py L1393-1404; HALOs
 * train/trainers.py L799-803 at 4831988). Both sources take log-ratios per token.
 *
 *   loss = (d − 1/(2β))²
 */
export function ipo({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const error = chosen - rejected - 1 / (2 * beta);
  return ofMargin(error ** 2, 2 * error);
}
