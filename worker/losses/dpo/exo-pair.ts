import { ofMargin, type Pair, type PairTerm } from '../pair.js';
import { logSigmoid, sigmoid, sigmoidSlope } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * Efficient Exact Optimization for pairs (Ji et al. 2024, "Towards Efficient Exact Optimization of Language Model
 * Alignment", arXiv:2402.00856, equation 16; TRL v1.16.0 trl/trainer/dpo_trainer.py L1406-1417): the reverse KL from the
 * policy's preference to the label's, which is 1 − ε for the chosen one; ε = labelSmoothing > 0.
 *
 *   loss = σ(β d) (log σ(β d) − log(1 − ε)) + σ(−β d) (log σ(−β d) − log ε)
 */
export function exoPair({ chosen, rejected }: Pair<number>, { beta, labelSmoothing }: DpoSettings): PairTerm {
  const x = beta * (chosen - rejected);
  const logLabel = Math.log1p(-labelSmoothing);
  const logFlip = Math.log(labelSmoothing);
  return ofMargin(
    sigmoid(x) * (logSigmoid(x) - logLabel) + sigmoid(-x) * (logSigmoid(-x) - logFlip),
    // log σ(x) − log σ(−x) = x, and the slopes of the two logarithms cancel.
    beta * sigmoidSlope(x) * (x - logLabel + logFlip),
  );
}
