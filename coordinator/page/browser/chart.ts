import uPlot from 'uplot';
import type { ChartSpec } from '../view/charts.js';
import type { Curve } from '../view/curve.js';
import { element, setText } from './dom.js';
import { formatNumber, formatTick } from './format.js';

/** Charts of the same stage point at the same step. */
const SYNC_KEY = 'step';
const PLOT_HEIGHT_PX = 190;

/** One or two curves over the steps, with the values under the pointer or else the last ones above it. */
export class Chart {
  readonly root: HTMLElement;
  readonly #spec: ChartSpec;
  readonly #plot: uPlot;
  readonly #values: readonly HTMLElement[];
  readonly #step = element('small');
  readonly #holder = element('div', { class: 'plot', 'aria-hidden': 'true' });
  readonly #resized: ResizeObserver;

  constructor(spec: ChartSpec) {
    this.#spec = spec;
    this.#values = spec.lines.map(() => element('b'));
    const legend = spec.lines.map(({ label, color }, i) =>
      element('li', {}, element('span', { class: `key c-${color}` }), label, this.#values[i]!),
    );
    const unit = spec.unit === '' ? null : element('small', {}, ` ${spec.unit}`);
    this.root = element(
      'figure',
      { class: 'card chart' },
      element(
        'figcaption',
        {},
        element('div', { class: 'heading' }, element('h2', {}, spec.title, unit), this.#step),
        element('ul', { class: 'legend' }, ...legend),
      ),
      this.#holder,
    );
    this.#plot = new uPlot(
      optionsOf(spec, () => this.#showValues()),
      emptyData(spec),
      this.#holder,
    );
    this.#resized = new ResizeObserver(() => {
      // Without a width it is not shown, and uPlot would look for a tick distance that fits, for ever.
      const width = this.#holder.clientWidth;
      if (width > 0) this.#plot.setSize({ width, height: PLOT_HEIGHT_PX });
    });
    this.#resized.observe(this.#holder);
  }

  draw({ steps, columns }: Curve): void {
    const series = this.#spec.lines.flatMap(({ key }) => {
      const { mean, low, high } = columns[key];
      return [mean, low, high];
    });
    this.#plot.setData([steps, ...series]);
    this.#showValues();
  }

  /** With other colours. */
  redraw(): void {
    this.#plot.redraw(false);
  }

  close(): void {
    this.#resized.disconnect();
    this.#plot.destroy();
  }

  #showValues(): void {
    const { data, cursor } = this.#plot;
    const [steps] = data;
    const pointed = cursor.idx ?? null;
    const step = steps[pointed ?? steps.length - 1];
    setText(this.#step, step === undefined ? '' : `step ${step}`);
    this.#values.forEach((value, i) => {
      const mean = data[meanOf(i)] ?? [];
      setText(value, formatNumber(pointed === null ? lastOf(mean) : mean[pointed]));
    });
  }
}

/** Where a line's mean stands in uPlot's data; its low and its high follow. */
const meanOf = (line: number) => 1 + 3 * line;

function lastOf(values: ArrayLike<number | null | undefined>): number | null {
  for (let i = values.length - 1; i >= 0; i--) if (typeof values[i] === 'number') return values[i]!;
  return null;
}

function emptyData({ lines }: ChartSpec): uPlot.AlignedData {
  return [[], ...lines.flatMap(() => [[], [], []])];
}

function optionsOf({ lines }: ChartSpec, onCursor: () => void): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colorOf('muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: () => colorOf('grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: 320,
    height: PLOT_HEIGHT_PX,
    padding: [8, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, sync: { key: SYNC_KEY }, points: { size: 7 }, drag: { x: true, y: false } },
    scales: { x: { time: false }, y: { range: rangeOf } },
    axes: [
      {
        ...axis,
        size: 26,
        gap: 4,
        grid: { show: false },
        incrs: wholeSteps,
        values: (_, ticks) => ticks.map(formatTick),
      },
      { ...axis, size: labelWidth, gap: 6, space: 34, values: (_, ticks) => ticks.map(formatTick) },
    ],
    series: [
      {},
      ...lines.flatMap(({ color }): uPlot.Series[] => [
        { stroke: () => colorOf(color), width: 1.75, spanGaps: true, points: { size: 4 } },
        { points: { show: false } },
        { points: { show: false } },
      ]),
    ],
    bands: lines.map(({ color }, i) => ({
      series: [meanOf(i) + 2, meanOf(i) + 1],
      fill: () => `color-mix(in srgb, ${colorOf(color)} 18%, transparent)`,
    })),
    hooks: { setCursor: [onCursor] },
  };
}

/** A step is a whole number, and so is the distance of two. */
const wholeSteps = [1, 2, 5]
  .flatMap((lead) => Array.from({ length: 8 }, (_, zeros) => lead * 10 ** zeros))
  .sort((a, b) => a - b);

/** Room above and below; a curve that is flat lies in the middle, and one at 0 at the bottom. */
function rangeOf(_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  if (low === high) return low === 0 ? [0, 1] : [low - Math.abs(low) / 2, high + Math.abs(high) / 2];
  const room = (high - low) * 0.08;
  // No room below 0 for what is never negative.
  return [low >= 0 && low < room ? 0 : low - room, high + room];
}

function labelWidth(_: uPlot, labels: string[] | null): number {
  const longest = Math.max(0, ...(labels ?? []).map((label) => label.length));
  return Math.max(34, 12 + longest * 6.5);
}

function colorOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
