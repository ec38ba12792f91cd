import { ofMargin, type Pair, type PairTerm } from '../pair.js';
import { logSigmoid, sigmoid } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * Robust DPO (Chowdhury et al. 2024, "Provably Robust DPO: Aligning Language Models with Noisy Feedback",
 * arXiv:2403.00409; TRL v1.16.0 trl/trainer/dpo_trainer.py L1428-1431): without bias where a label is flipped with
 * probability ε = labelSmoothing < 1/2.
 *
 *   loss = (−(1 − ε) log σ(β d) + ε log σ(−β d)) / (1 − 2 ε)
 */
export function dpoRobust(
  { chosen, rejected }: Pair<number>,
  { beta, labelSmoothing }: DpoSettings,
): PairTerm {
  const x = beta * (chosen - rejected);
  const scale = 1 - 2 * labelSmoothing;
  return ofMargin(
    (-(1 - labelSmoothing) * logSigmoid(x) + labelSmoothing * logSigmoid(-x)) / scale,
    (-beta * ((1 - labelSmoothing) * sigmoid(-x) + labelSmoothing * sigmoid(x))) / scale,
  );
}
