import type { Curve, CurveKey } from './curve.js';

export interface ChartSpec {
  readonly title: string;
  /** Behind the title; empty for none. */
  readonly unit: string;
  readonly lines: readonly ChartLine[];
}

export interface ChartLine {
  readonly key: CurveKey;
  /** Empty for the only line of a chart, which its title names. */
  readonly label: string;
  readonly color: ChartColor;
}

/** Names of Okabe and Ito's palette, which the colour-blind can tell apart; what they look like, a theme decides. */
export type ChartColor = 'blue' | 'orange' | 'green' | 'purple' | 'sky' | 'grey';

const specs: readonly ChartSpec[] = [
  { title: 'Loss', unit: '', lines: [{ key: 'loss', label: '', color: 'blue' }] },
  {
    title: 'KL',
    unit: 'nats',
    lines: [
      { key: 'kl', label: 'clamped', color: 'purple' },
      { key: 'kl_unclamped', label: 'unclamped', color: 'grey' },
    ],
  },
  {
    title: 'Rewards',
    unit: '',
    lines: [
      { key: 'rewards/chosen', label: 'chosen', color: 'blue' },
      { key: 'rewards/rejected', label: 'rejected', color: 'orange' },
    ],
  },
  { title: 'Reward margin', unit: '', lines: [{ key: 'rewards/margins', label: '', color: 'green' }] },
  { title: 'Gradient norm', unit: '', lines: [{ key: 'grad_norm', label: '', color: 'purple' }] },
  { title: 'Throughput', unit: 'tokens/s', lines: [{ key: 'tokens_per_s', label: '', color: 'sky' }] },
];

/** The charts of a curve: those that its method has numbers for. */
export function chartsOf({ columns }: Curve): ChartSpec[] {
  return specs
    .map((spec) => {
      const lines = spec.lines.filter(({ key }) => columns[key].count.some((count) => count > 0));
      return { ...spec, lines: lines.length === 1 ? lines.map((line) => ({ ...line, label: '' })) : lines };
    })
    .filter(({ lines }) => lines.length > 0);
}
