import type { TopLevelSpec } from 'vega-lite';
import { chartData, type ChartData } from '../../coordinator/page/view/chart-data.js';
import {
  chartsOf,
  type ChartColor,
  type ChartLine,
  type ChartSpec,
} from '../../coordinator/page/view/charts.js';
import { fontFamily } from './render.js';
import type { StageCurves } from './run-metrics.js';

/** Of Okabe and Ito's palette, a little darker where it would be pale on white. */
const colors: Readonly<Record<ChartColor, string>> = {
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#008a63',
  purple: '#b0568b',
  sky: '#3f9fd1',
};

const PANEL = { width: 250, height: 150 } as const;
const COLUMNS = 3;

/** `0.25`, `1.5k`, `2e-5`. */
const labelExpr = "format(datum.value, abs(datum.value) >= 1000 ? '~s' : '~g')";

const titleStyle = {
  anchor: 'start',
  fontSize: 15,
  subtitleFontSize: 12,
  subtitleColor: '#5b6373',
  subtitlePadding: 5,
  offset: 14,
} as const;

const labels = { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal' } as const;

/** A stage's curves as small multiples: the charts of the live page. */
export function trainingCurvesChart(curves: StageCurves): TopLevelSpec {
  const { name, stage, method, evaluations } = curves;
  const subtitle = evaluations.steps.length === 0 ? {} : { subtitle: 'dashed, with points: held-out rows' };
  return {
    title: {
      text: `${name}: stage ${stage} (${method})`,
      ...subtitle,
      ...titleStyle,
    },
    padding: 14,
    background: 'white',
    config: {
      font: fontFamily,
      view: { stroke: null },
      axis: { ...labels, gridColor: '#ececec', domainColor: '#b5b5b5', tickColor: '#b5b5b5' },
    },
    columns: COLUMNS,
    spacing: 24,
    concat: chartsOf(curves).map((spec) => panel(spec, chartData(spec, curves))),
  };
}

function panel({ title, unit, lines, heldOut }: ChartSpec, data: ChartData) {
  // What the held-out rows share with the training has its colour, and so needs no name of its own.
  const named = lines.length > 0 ? lines : heldOut;
  const x = stepAxis(data.steps);
  return {
    ...PANEL,
    layer: [
      caption(unit === '' ? title : `${title} (${unit})`, { x: 0, color: 'black', fontSize: 13 }),
      ...named.map(({ label, color }, i) => caption(label, labelPlace(named, i, colors[color]))),
      ...lines.flatMap((line, i) => trainingLine(line, pointsOf(data, i), x)),
      ...heldOut.map((line, i) => heldOutLine(line, pointsOf(data, lines.length + i), x)),
    ],
  };
}

interface Point {
  readonly step: number;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Of one line: the steps where it has a number. */
function pointsOf({ steps, series }: ChartData, line: number): Point[] {
  const { mean, low, high } = series[line]!;
  return steps
    .map((step, i) => ({ step, mean: mean[i] ?? null, low: low[i] ?? null, high: high[i] ?? null }))
    .filter((point) => point.mean !== null);
}

/** All panels have the same, whichever steps they have numbers for. */
function stepAxis(steps: readonly number[]) {
  return {
    field: 'step',
    type: 'quantitative' as const,
    title: 'step',
    axis: { grid: false, tickCount: 5, labelExpr, tickMinStep: 1 },
    scale: { nice: false, zero: false, domain: [steps[0]!, steps.at(-1)!] },
  };
}

type StepAxis = ReturnType<typeof stepAxis>;

const y = {
  type: 'quantitative',
  title: null,
  axis: { tickCount: 4, labelExpr },
  scale: { zero: false },
} as const;

function trainingLine({ color }: ChartLine, points: readonly Point[], x: StepAxis) {
  const data = { values: [...points] };
  const point = points.length === 1 ? { color: colors[color] } : false;
  return [
    // From the lowest to the highest step of a bucket; flat, and so not seen, where a bucket is one step.
    {
      data,
      mark: { type: 'area', opacity: 0.18, color: colors[color] } as const,
      encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
    },
    {
      data,
      mark: { type: 'line', strokeWidth: 1.8, point, color: colors[color] } as const,
      encoding: { x, y: { ...y, field: 'mean' } },
    },
  ];
}

/** More points would hide the line. */
const MAX_POINTS = 60;

function heldOutLine({ color }: ChartLine, points: readonly Point[], x: StepAxis) {
  const point = points.length > MAX_POINTS ? false : { filled: true, size: 28, color: colors[color] };
  return {
    data: { values: [...points] },
    mark: { type: 'line' as const, strokeWidth: 1.6, strokeDash: [5, 4], point, color: colors[color] },
    encoding: { x, y: { ...y, field: 'mean' } },
  };
}

interface CaptionStyle {
  /** Of its beginning, in pixels from the panel's left edge. */
  readonly x: number;
  readonly color: string;
  readonly fontSize: number;
}

/** A text above the panel. (Titles and legends of panels beside each other would stand at different heights.) */
function caption(text: string, { x, color, fontSize }: CaptionStyle) {
  const mark = { type: 'text', text, x, y: -10, align: 'left', baseline: 'bottom', color, fontSize } as const;
  return { data: { values: [{}] }, mark };
}

/** The lines' names, coloured like them, end at the panel's right edge. */
function labelPlace(lines: readonly ChartLine[], index: number, color: string): CaptionStyle {
  const rest = lines.slice(index).map(({ label }) => label.length * 7 + 10);
  return { x: PANEL.width + 10 - rest.reduce((sum, width) => sum + width, 0), color, fontSize: 12 };
}
