import type { ChartSpec, DrawnCurves } from './charts.js';
import type { Column } from './curve.js';

/** A line over the steps of a chart; null where it has no number. */
export type ChartSeries = Pick<Column, 'mean' | 'low' | 'high'>;

export interface ChartData {
  /** Of the training and of the held-out rows: all charts of a stage have the same. */
  readonly steps: readonly number[];
  /** The lines of the training, then those of the held-out rows. */
  readonly series: readonly ChartSeries[];
}

/** What a chart draws, over one axis of steps. */
export function chartData({ lines, heldOut }: ChartSpec, { curve, evaluations }: DrawnCurves): ChartData {
  const steps = mergeSteps(curve.steps, evaluations.steps);
  return {
    steps,
    series: [
      ...lines.map(({ key }) => spread(curve.columns[key], curve.steps, steps)),
      ...heldOut.map(({ key }) => spread(evaluations.columns[key], evaluations.steps, steps)),
    ],
  };
}

function mergeSteps(one: readonly number[], other: readonly number[]): readonly number[] {
  return other.length === 0 ? one : [...new Set([...one, ...other])].sort((a, b) => a - b);
}

function spread(column: Column, own: readonly number[], steps: readonly number[]): ChartSeries {
  if (own === steps) return column;
  const places = new Map(own.map((step, i) => [step, i]));
  const over = (values: readonly (number | null)[]) =>
    steps.map((step) => values[places.get(step) ?? -1] ?? null);
  return { mean: over(column.mean), low: over(column.low), high: over(column.high) };
}

/** Of the last value up to a place; null for none. */
export function lastValueAt(
  values: ArrayLike<number | null | undefined>,
  place: number,
): { readonly place: number; readonly value: number } | null {
  for (let i = place; i >= 0; i--) {
    const value = values[i];
    if (typeof value === 'number') return { place: i, value };
  }
  return null;
}
