import { ktoTerm, type KtoSettings } from './kto.js';
import { logRatio, required, type Objective } from './objective.js';
import { onlyCompletion, shareOf } from './unpaired.js';

/**
 * APO-zero on single completions (D'Oosterlinck et al. 2024, "Anchored Preference Optimization", arXiv:2408.06266,
 * equation 7), as TRL's `KTOTrainer` with `loss_type: apo_zero_unpaired` (v1.16.0 trl/trainer/kto_trainer.py L1446,
 * L1454-1457, L1471-1472): KTO whose reference point is 0, so that nothing is shared.
 *
 *   loss = λ_D (1 − σ(β r))   for a desirable y
 *          λ_U σ(β r)         for an undesirable one
 */
export function apoZeroUnpaired(settings: KtoSettings): Objective {
  return {
    rows: 'unpaired',
    needsReference: true,
    tokenLevel: false,
    needsCritic: false,
    batchStatistic: null,
    term: (unit, { counts }) => {
      const completion = onlyCompletion(unit);
      const desirable = required(completion.desirable, 'a label');
      return shareOf(ktoTerm(logRatio(completion), desirable, 0, settings), counts.examples);
    },
  };
}
