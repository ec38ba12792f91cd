import { ofMargin, type Pair, type PairTerm } from '../pair.js';
import { logSigmoid, sigmoid } from '../sigmoid.js';
import type { DpoSettings } from './settings.js';

/**
 * Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290, equation 7; TRL v1.16.0
 * trl/trainer/dpo_trainer.py L1387-1388). With label smoothing ε > 0 conservative DPO (Mitchell 2023, "A note on DPO with
 * noisy preferences"; HALOs train/trainers.py L776-787 at 4831988).
 *
 *   d = r_chosen − r_rejected
 *   loss = −(1 − ε) log σ(β d) − ε log σ(−β d)
 */
export function dpoSigmoid(
  { chosen, rejected }: Pair<number>,
  { beta, labelSmoothing }: Pick<DpoSettings, 'beta' | 'labelSmoothing'>,
): PairTerm {
  const x = beta * (chosen - rejected);
  return ofMargin(
    -(1 - labelSmoothing) * logSigmoid(x) - labelSmoothing * logSigmoid(-x),
    beta * (labelSmoothing * sigmoid(x) - (1 - labelSmoothing) * sigmoid(-x)),
  );
}
