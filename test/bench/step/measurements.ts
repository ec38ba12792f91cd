import { sampleOf } from '../sample.js';
import type { Measurement, SuiteResult } from '../suite.js';
import { compareSteps, tolerance } from './agreement.js';
import { BATCH_SIZE, type Part } from './part.js';
import type { TrainedStep, Training } from './side.js';

/** By round. */
export interface Trainings {
  /** Two epochs. */
  readonly ours: Training[];
  /** Two epochs of the same rows. */
  readonly allLogits: Training[];
  /** One epoch. */
  readonly best: Training[];
}

/** Which steps of the two sides are set against each other: they train on the same rows. */
interface Comparison {
  readonly name: string;
  /** Positions of the first step and behind the last one. */
  readonly ours: readonly [from: number, to: number];
  readonly theirs: { readonly trainings: readonly Training[]; readonly from: number };
}

/** @param steps of an epoch */
export function measurementsOf(part: Part, steps: number, { ours, allLogits, best }: Trainings): SuiteResult {
  // The very first step warms up. Beside the last one of the first epoch no reference is computed: what comes next is known.
  const firstEpoch: readonly Comparison[] =
    steps > 2
      ? [{ name: 'first epoch', ours: [1, steps - 1], theirs: { trainings: allLogits, from: 1 } }]
      : [];
  const comparisons: Comparison[] = [
    ...firstEpoch,
    { name: 'second epoch', ours: [steps, 2 * steps], theirs: { trainings: allLogits, from: steps } },
  ];
  if (best.length > 0) {
    const name = 'second epoch, PyTorch at its best';
    comparisons.push({ name, ours: [steps + 1, 2 * steps], theirs: { trainings: best, from: 1 } });
  }
  const measured = comparisons.map((comparison) => measure(part, ours, comparison));
  return {
    measurements: measured.map(({ measurement }) => measurement),
    notMeasured: [
      ...(firstEpoch.length > 0 ? [] : [`${part.name}, first epoch: it takes more than two steps`]),
      ...measured.flatMap(({ note }) => note ?? []),
    ],
  };
}

function measure(
  part: Part,
  ours: readonly Training[],
  { name, ours: [from, to], theirs }: Comparison,
): { measurement: Measurement; note: string | null } {
  const full = `${part.name}, ${name}`;
  const timed = ours.flatMap(({ steps }) => steps.slice(from, to));
  const against = theirs.trainings.flatMap(({ steps }) => steps.slice(theirs.from, theirs.from + to - from));
  const agreement = against.length === 0 ? null : compareRounds(ours, theirs.trainings);
  const agree = agreement !== null && agreement.disagreement === null;
  const figures = {
    'examples/s': speedOf(timed),
    'peak GiB': peakGiB(ours),
    ...(agree && {
      'PyTorch examples/s': speedOf(against),
      'PyTorch peak GiB': peakGiB(theirs.trainings),
      'losses apart by 1e-6': agreement.worstLoss * 1e6,
    }),
  };
  const baseline = agree ? sampleOf(millisecondsOf(against)) : null;
  const measurement = { name: full, milliseconds: sampleOf(millisecondsOf(timed)), baseline, figures };
  const disagreement = agreement?.disagreement ?? null;
  const allowed = `more than ${JSON.stringify(tolerance)}`;
  const note =
    disagreement === null ? null : `${full}, a ratio: the numbers differ by ${allowed}; ${disagreement}`;
  return { measurement, note };
}

/** All rounds must agree: a speed is only compared where the numbers are. */
function compareRounds(ours: readonly Training[], theirs: readonly Training[]) {
  const compared = ours.map(({ steps }, round) => compareSteps(steps, theirs[round]!.steps));
  return {
    worstLoss: Math.max(...compared.map(({ worstLoss }) => worstLoss)),
    disagreement: compared.map(({ disagreement }) => disagreement).find((one) => one !== null) ?? null,
  };
}

const millisecondsOf = (steps: readonly TrainedStep[]) => steps.map(({ milliseconds }) => milliseconds);

/** Examples per second over all of the steps together. */
function speedOf(steps: readonly TrainedStep[]): number {
  const seconds = millisecondsOf(steps).reduce((sum, one) => sum + one, 0) / 1000;
  return (BATCH_SIZE * steps.length) / seconds;
}

/** The highest of all rounds. */
function peakGiB(trainings: readonly Training[]): number {
  return Math.max(...trainings.map(({ peakBytes }) => peakBytes)) / 2 ** 30;
}
