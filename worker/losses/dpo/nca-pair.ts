import type { Pair, PairTerm } from '../pair.js';
import { logSigmoid, sigmoid } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * Noise Contrastive Alignment for pairs (Chen et al. 2024, "Noise Contrastive Alignment of Language Models with Explicit
 * Rewards", arXiv:2402.05369; TRL v1.16.0 trl/trainer/dpo_trainer.py L1419-1426).
 *
 *   loss = −log σ(β r_chosen) − ½ log σ(−β r_chosen) − ½ log σ(−β r_rejected)
 */
export function ncaPair({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const [up, down] = [beta * chosen, beta * rejected];
  return {
    loss: -logSigmoid(up) - 0.5 * logSigmoid(-up) - 0.5 * logSigmoid(-down),
    slopes: {
      chosen: beta * (0.5 * sigmoid(up) - sigmoid(-up)),
      rejected: 0.5 * beta * sigmoid(down),
    },
  };
}
