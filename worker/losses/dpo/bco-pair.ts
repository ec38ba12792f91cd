import type { Pair, PairTerm } from '../pair.js';
import { logSigmoid, sigmoid } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * Binary Classifier Optimization for pairs (Jung et al. 2024, "Binary Classifier Optimization for Large Language Model
 * Alignment", arXiv:2404.04656; TRL v1.16.0 trl/trainer/dpo_trainer.py L1433-1436), without the paper's running mean of
 * rewards: both rewards are measured from 0, as TRL's `bco_pair` does.
 *
 *   loss = −log σ(β r_chosen) − log σ(−β r_rejected)
 */
export function bcoPair({ chosen, rejected }: Pair<number>, { beta }: DpoSettings): PairTerm {
  const [up, down] = [beta * chosen, beta * rejected];
  return {
    loss: -logSigmoid(up) - logSigmoid(-down),
    slopes: { chosen: -beta * sigmoid(-up), rejected: beta * sigmoid(down) },
  };
}
