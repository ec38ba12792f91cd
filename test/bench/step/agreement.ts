import type { TrainedStep } from './side.js';

/** How far the sides may be apart; relative for norms, which may be of any size. */
export const tolerance = { loss: 1e-4, kl: 1e-3, gradNorm: 1e-2 } as const;

type Compared = keyof typeof tolerance;

export interface Agreement {
  /** The largest difference between two losses. */
  readonly worstLoss: number;
  /** Where the sides part, for a reader; null where they agree. */
  readonly disagreement: string | null;
}

/** Compares two trainings step by step, as far as both go. @throws RangeError where one of them has no step */
export function compareSteps(ours: readonly TrainedStep[], theirs: readonly TrainedStep[]): Agreement {
  const count = Math.min(ours.length, theirs.length);
  if (count === 0) throw new RangeError('no step to compare');
  let worstLoss = 0;
  let disagreement: string | null = null;
  for (let index = 0; index < count; index++) {
    const [own, other] = [ours[index]!, theirs[index]!];
    worstLoss = Math.max(worstLoss, Math.abs(own.loss - other.loss));
    const parted = (Object.keys(tolerance) as Compared[]).find((key) => !isNear(key, own[key], other[key]));
    if (parted !== undefined) {
      disagreement ??= `step ${index + 1}: ${parted} ${own[parted]} here, ${other[parted]} there`;
    }
  }
  return { worstLoss, disagreement };
}

/** What is not a number agrees with nothing. */
function isNear(key: Compared, own: number, other: number): boolean {
  const scale = key === 'gradNorm' ? Math.abs(other) : 1;
  return Math.abs(own - other) <= tolerance[key] * scale;
}
