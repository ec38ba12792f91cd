import type { Curve, CurveKey, EvaluationKey } from './curve.js';

/** What the charts of a stage draw. */
export interface DrawnCurves {
  readonly curve: Curve;
  readonly evaluations: Curve<EvaluationKey>;
}

export interface ChartSpec {
  readonly title: string;
  /** Behind the title; empty for none. */
  readonly unit: string;
  readonly lines: readonly ChartLine<CurveKey>[];
  /** The same of the held-out rows: points at the steps after which they were judged. */
  readonly heldOut: readonly ChartLine<EvaluationKey>[];
}

export interface ChartLine<Key extends string = CurveKey | EvaluationKey> {
  readonly key: Key;
  /** Empty for the only line of its kind in a chart. */
  readonly label: string;
  readonly color: ChartColor;
}

/** Names of Okabe and Ito's palette, which the colour-blind can tell apart; what they look like, a theme decides. */
export type ChartColor = 'blue' | 'orange' | 'green' | 'purple' | 'sky';

const specs: readonly ChartSpec[] = [
  {
    title: 'Loss',
    unit: '',
    lines: [{ key: 'loss', label: '', color: 'blue' }],
    heldOut: [{ key: 'eval_loss', label: '', color: 'blue' }],
  },
  {
    title: 'KL',
    unit: 'nats',
    lines: [
      // The clamped one lies on top of it where they are the same.
      { key: 'kl_unclamped', label: 'unclamped', color: 'sky' },
      { key: 'kl', label: 'clamped', color: 'purple' },
    ],
    heldOut: [
      { key: 'eval_kl_unclamped', label: 'unclamped', color: 'sky' },
      { key: 'eval_kl', label: 'clamped', color: 'purple' },
    ],
  },
  {
    title: 'Rewards',
    unit: '',
    lines: [
      { key: 'rewards/chosen', label: 'chosen', color: 'blue' },
      { key: 'rewards/rejected', label: 'rejected', color: 'orange' },
    ],
    heldOut: [
      { key: 'eval_rewards/chosen', label: 'chosen', color: 'blue' },
      { key: 'eval_rewards/rejected', label: 'rejected', color: 'orange' },
    ],
  },
  {
    title: 'Reward margin',
    unit: '',
    lines: [{ key: 'rewards/margins', label: '', color: 'green' }],
    heldOut: [{ key: 'eval_rewards/margins', label: '', color: 'green' }],
  },
  {
    title: 'Accuracy',
    unit: '',
    lines: [],
    heldOut: [
      { key: 'eval_rewards/accuracies', label: 'all', color: 'green' },
      { key: 'eval_accuracy/chosen', label: 'chosen', color: 'blue' },
      { key: 'eval_accuracy/rejected', label: 'rejected', color: 'orange' },
    ],
  },
  {
    title: 'Log-prob',
    unit: 'per token',
    lines: [],
    heldOut: [
      { key: 'eval_logps_per_token/chosen', label: 'chosen', color: 'blue' },
      { key: 'eval_logps_per_token/rejected', label: 'rejected', color: 'orange' },
    ],
  },
  {
    title: 'Gradient norm',
    unit: '',
    lines: [{ key: 'grad_norm', label: '', color: 'purple' }],
    heldOut: [],
  },
  {
    title: 'Throughput',
    unit: 'tokens/s',
    lines: [{ key: 'tokens_per_s', label: '', color: 'sky' }],
    heldOut: [],
  },
];

/** The charts of a stage: those that its method has numbers for. */
export function chartsOf({ curve, evaluations }: DrawnCurves): ChartSpec[] {
  return specs
    .map((spec) => ({
      ...spec,
      lines: linesWithNumbers(spec.lines, curve),
      heldOut: linesWithNumbers(spec.heldOut, evaluations),
    }))
    .filter(({ lines, heldOut }) => lines.length + heldOut.length > 0);
}

function linesWithNumbers<Key extends string>(
  lines: readonly ChartLine<Key>[],
  { columns }: Curve<Key>,
): readonly ChartLine<Key>[] {
  const found = lines.filter(({ key }) => columns[key].count.some((count) => count > 0));
  return found.length === 1 ? found.map((line) => ({ ...line, label: '' })) : found;
}
