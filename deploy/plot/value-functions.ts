import type { TopLevelSpec } from 'vega-lite';
import { METHOD_DEFAULTS } from '../../lib/config/resolve-objective.js';
import {
  dpoValue,
  kahnemanTverskyValue,
  ktoValue,
  medianHuman,
  ppoClipValue,
  sampleValues,
  type HumanValue,
} from '../../worker/losses/value-functions.js';
import { fontFamily } from './render.js';

/** Steeper than what one trains with (0.1), so that the curves bend within the picture. */
const beta = 1;
const weights = { desirableWeight: METHOD_DEFAULTS.weight, undesirableWeight: METHOD_DEFAULTS.weight };
const { clipRange } = METHOD_DEFAULTS;
const { alpha, lambda } = medianHuman;

interface Curve {
  readonly name: string;
  readonly value: HumanValue;
  /** Of Okabe and Ito's palette, which the colour-blind can tell apart. */
  readonly color: string;
  /** Lengths of line and gap in pixels: the curves differ in black and white too. */
  readonly dash: number[];
}

const curves: readonly Curve[] = [
  {
    name: `Kahneman–Tversky (α = ${alpha}, λ = ${lambda})`,
    value: kahnemanTverskyValue(medianHuman),
    color: '#000000',
    dash: [2, 3],
  },
  { name: `KTO (β = ${beta})`, value: ktoValue({ beta, ...weights }, true), color: '#0072b2', dash: [1, 0] },
  { name: `DPO (β = ${beta})`, value: dpoValue(beta), color: '#d55e00', dash: [9, 4] },
  {
    name: `PPO-Clip (ε = ${clipRange})`,
    value: ppoClipValue({ clipRange }, true),
    color: '#009e73',
    dash: [9, 3, 2, 3],
  },
];

const rewards = { from: -4, to: 4, count: 401 };
const names = curves.map(({ name }) => name);

const labels = { labelFontSize: 13, titleFontSize: 14, titleFontWeight: 'normal' } as const;

/** The value of a desirable outcome as each method implies it, after figure 1 of the KTO paper (arXiv:2402.01306). */
export function valueFunctionsChart(): TopLevelSpec {
  const points = curves.flatMap(({ name, value }) =>
    sampleValues(value, rewards).map((point) => ({ name, ...point })),
  );
  const zero = { data: { values: [{}] }, mark: { type: 'rule', color: '#888888' } } as const;
  return {
    width: 640,
    height: 400,
    padding: 12,
    background: 'white',
    config: {
      font: fontFamily,
      view: { stroke: null },
      axis: { ...labels, gridColor: '#e8e8e8', labelFlush: false },
      legend: {
        ...labels,
        orient: 'none',
        legendX: 10,
        legendY: 20,
        labelLimit: 400,
        symbolSize: 700,
        rowPadding: 1,
      },
    },
    layer: [
      { ...zero, encoding: { x: { datum: 0 } } },
      { ...zero, encoding: { y: { datum: 0 } } },
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 2.5 },
        encoding: {
          x: {
            field: 'reward',
            type: 'quantitative',
            title: 'reward over the reference point, r − z₀ (nats)',
            axis: { format: 'd', tickCount: 8, grid: false },
            scale: { domain: [rewards.from, rewards.to], nice: false },
          },
          y: {
            field: 'value',
            type: 'quantitative',
            title: 'implied human value (no unit)',
            axis: { tickCount: 6, grid: true },
          },
          color: {
            field: 'name',
            type: 'nominal',
            title: null,
            scale: { domain: names, range: curves.map(({ color }) => color) },
          },
          strokeDash: {
            field: 'name',
            type: 'nominal',
            title: null,
            scale: { domain: names, range: curves.map(({ dash }) => dash) },
          },
        },
      },
    ],
  };
}
