import { required, type ScoredCompletion, type Unit, type UnitTerm } from './objective.js';

/** A completion's loss before averaging, its slope by log π(y|x), and its reward. */
export interface LossTerm {
  readonly loss: number;
  readonly dLogp: number;
  readonly reward: number | null;
}

/** The one completion of a unit. */
export function onlyCompletion(unit: Unit): ScoredCompletion {
  return required(unit.length === 1 ? unit[0] : null, 'units of one completion');
}

/** A sequence-level loss as a part of the batch's mean. @param divisor what the batch's loss is averaged over */
export function shareOf({ loss, dLogp, reward }: LossTerm, divisor: number): UnitTerm {
  return { loss: loss / divisor, rewards: [reward], gradients: [dLogp / divisor], valueGradients: null };
}
