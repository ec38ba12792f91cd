import uPlot from 'uplot';
import { chartData, lastValueAt } from '../view/chart-data.js';
import type { ChartLine, ChartSpec, DrawnCurves } from '../view/charts.js';
import { element, setText } from './dom.js';
import { formatNumber, formatTick } from './format.js';

/** Charts of the same stage point at the same step. */
const SYNC_KEY = 'step';
const PLOT_HEIGHT_PX = 190;

/** More points would hide the line. */
const MAX_POINTS = 60;

/** Some curves over the steps, with the values up to the pointer, or else the last ones, above it. */
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
    this.#values = [...spec.lines, ...spec.heldOut].map(() => element('b'));
    const unit = spec.unit === '' ? null : element('small', {}, ` ${spec.unit}`);
    this.root = element(
      'figure',
      { class: 'card chart' },
      element(
        'figcaption',
        {},
        element('div', { class: 'heading' }, element('h2', {}, spec.title, unit), this.#step),
        legendOf('', spec.lines, this.#values),
        legendOf('held out', withoutKnownNames(spec), this.#values.slice(spec.lines.length)),
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

  draw(curves: DrawnCurves): void {
    const { steps, series } = chartData(this.#spec, curves);
    this.#plot.setData([[...steps], ...series.flatMap(({ mean, low, high }) => [mean, low, high])]);
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
    const place = cursor.idx ?? steps.length - 1;
    const step = steps[place];
    setText(this.#step, step === undefined ? '' : `step ${step}`);
    this.#values.forEach((value, i) => {
      setText(value, formatNumber(lastValueAt(data[meanOf(i)] ?? [], place)?.value));
    });
  }
}

/** Null where there is no such line. `name` is what its lines have in common. */
function legendOf(
  name: string,
  lines: readonly ChartLine[],
  values: readonly HTMLElement[],
): HTMLElement | null {
  if (lines.length === 0) return null;
  const kind = name === '' ? '' : ' held-out';
  const items = lines.map(({ label, color }, i) =>
    element('li', {}, element('span', { class: `key c-${color}${kind}` }), label, values[i]!),
  );
  return element('ul', { class: 'legend' }, name === '' ? null : element('li', {}, name), ...items);
}

/** What has the colour of a line of the training has its name too, which need not be said again. */
function withoutKnownNames({ lines, heldOut }: ChartSpec): ChartLine[] {
  return heldOut.map((line) =>
    lines.some(({ color }) => color === line.color) ? { ...line, label: '' } : line,
  );
}

/** Where a line's mean stands in uPlot's data; its low and its high follow. */
const meanOf = (line: number) => 1 + 3 * line;

function emptyData({ lines, heldOut }: ChartSpec): uPlot.AlignedData {
  return [[], ...[...lines, ...heldOut].flatMap(() => [[], [], []])];
}

function optionsOf({ lines, heldOut }: ChartSpec, onCursor: () => void): uPlot.Options {
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
    cursor: {
      y: false,
      sync: { key: SYNC_KEY },
      points: { size: 7 },
      drag: { x: true, y: false },
      // A line that has no number at the step is pointed at where it has the one that is shown.
      dataIdx: ({ data }, series, place) => lastValueAt(data[series] ?? [], place)?.place ?? place,
    },
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
      ...lines.flatMap(({ color }) => withBounds({ stroke: () => colorOf(color), points: { size: 4 } })),
      ...heldOut.flatMap(({ color }) =>
        withBounds({
          stroke: () => colorOf(color),
          dash: [5, 4],
          points: { size: 6, fill: () => colorOf(color), show: hasFewPoints },
        }),
      ),
    ],
    bands: [...lines, ...heldOut].map(({ color }, i) => ({
      series: [meanOf(i) + 2, meanOf(i) + 1],
      fill: () => `color-mix(in srgb, ${colorOf(color)} 18%, transparent)`,
    })),
    hooks: { setCursor: [onCursor] },
  };
}

/** A line, and what bounds the band around it. */
function withBounds(line: uPlot.Series): uPlot.Series[] {
  const bound = { points: { show: false } };
  return [{ width: 1.75, spanGaps: true, ...line }, bound, bound];
}

function hasFewPoints({ data }: uPlot, series: number): boolean {
  const values = data[series] ?? [];
  let count = 0;
  for (let i = 0; i < values.length; i++) if (typeof values[i] === 'number') count += 1;
  return count <= MAX_POINTS;
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
