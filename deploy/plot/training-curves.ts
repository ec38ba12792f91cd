import type { TopLevelSpec } from 'vega-lite';
import { chartsOf, type ChartColor, type ChartSpec } from '../../coordinator/page/view/charts.js';
import type { Curve } from '../../coordinator/page/view/curve.js';
import { fontFamily } from './render.js';
import type { StageCurves } from './run-metrics.js';

/** Of Okabe and Ito's palette, a little darker where it would be pale on white. */
const colors: Readonly<Record<ChartColor, string>> = {
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#008a63',
  purple: '#b0568b',
  sky: '#3f9fd1',
  grey: '#8a909c',
};

const PANEL = { width: 250, height: 150 } as const;
const COLUMNS = 3;

/** `0.25`, `1.5k`, `2e-5`. */
const labelExpr = "format(datum.value, abs(datum.value) >= 1000 ? '~s' : '~g')";

const labels = { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal' } as const;

/** A stage's curves as small multiples: the charts of the live page. */
export function trainingCurvesChart({ name, stage, method, curve }: StageCurves): TopLevelSpec {
  return {
    title: { text: `${name}: stage ${stage} (${method})`, anchor: 'start', fontSize: 15, offset: 14 },
    padding: 14,
    background: 'white',
    config: {
      font: fontFamily,
      view: { stroke: null },
      axis: { ...labels, gridColor: '#ececec', domainColor: '#b5b5b5', tickColor: '#b5b5b5' },
    },
    columns: COLUMNS,
    spacing: 24,
    resolve: { scale: { color: 'independent' } },
    concat: chartsOf(curve).map((spec) => panel(spec, curve)),
  };
}

function panel({ title, unit, lines }: ChartSpec, curve: Curve) {
  const values = lines.flatMap(({ key, label }) => {
    const { mean, low, high } = curve.columns[key];
    return curve.steps.map((step, i) => ({ step, label, mean: mean[i], low: low[i], high: high[i] }));
  });
  const scale = { domain: lines.map(({ label }) => label), range: lines.map(({ color }) => colors[color]) };
  const color = {
    field: 'label',
    type: 'nominal',
    title: null,
    scale,
    legend: null,
  } as const;
  const x = {
    field: 'step',
    type: 'quantitative',
    title: 'step',
    axis: { grid: false, tickCount: 5, labelExpr, tickMinStep: 1 },
    scale: { nice: false, zero: false },
  } as const;
  const axis = { tickCount: 4, labelExpr } as const;
  const y = { type: 'quantitative', title: null, axis, scale: { zero: false } } as const;
  return {
    ...PANEL,
    data: { values: values.filter(({ mean }) => mean !== null) },
    layer: [
      caption(unit === '' ? title : `${title} (${unit})`, { x: 0, color: 'black', fontSize: 13 }),
      ...lines.map(({ label, color: name }, i) => caption(label, labelPlace(lines, i, colors[name]))),
      // From the lowest to the highest step of a bucket; flat, and so not seen, where a bucket is one step.
      {
        mark: { type: 'area', opacity: 0.18 } as const,
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'line', strokeWidth: 1.8, point: curve.steps.length === 1 } as const,
        encoding: { x, y: { ...y, field: 'mean' }, color },
      },
    ],
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
function labelPlace(lines: ChartSpec['lines'], index: number, color: string): CaptionStyle {
  const rest = lines.slice(index).map(({ label }) => label.length * 7 + 10);
  return { x: PANEL.width + 10 - rest.reduce((sum, width) => sum + width, 0), color, fontSize: 12 };
}
