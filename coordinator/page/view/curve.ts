/** The numbers of a step that are drawn, under their names in metrics.jsonl; `tokens_per_s` is computed. */
export const curveKeys = [
  'loss',
  'kl',
  'kl_unclamped',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'grad_norm',
  'tokens_per_s',
] as const;

export type CurveKey = (typeof curveKeys)[number];

/** The numbers of held-out rows that are drawn, under their names in evaluations.jsonl. */
export const evaluationKeys = [
  'eval_loss',
  'eval_kl',
  'eval_kl_unclamped',
  'eval_rewards/chosen',
  'eval_rewards/rejected',
  'eval_rewards/margins',
  'eval_rewards/accuracies',
  'eval_accuracy/chosen',
  'eval_accuracy/rejected',
  'eval_logps_per_token/chosen',
  'eval_logps_per_token/rejected',
] as const;

export type EvaluationKey = (typeof evaluationKeys)[number];

/** A step's numbers; null, or absent, for what the method or the batch lacks. */
export type CurvePoint<Key extends string = CurveKey> = { readonly [key in Key]?: number | null };

/** One number over the buckets of a curve. A bucket without any has a count of 0 and nulls. */
export interface Column {
  /** Steps of the bucket that have the number. */
  readonly count: number[];
  readonly mean: (number | null)[];
  readonly low: (number | null)[];
  readonly high: (number | null)[];
}

/**
 * The steps of a stage in at most `MAX_BUCKETS` buckets of equal width, however many they are: it starts with a bucket
 * for each step, and whenever they are too many, two neighbours become one. Bucket b holds the steps
 * (b·width, (b + 1)·width]; step 0, the stage's start, stays alone.
 */
export interface Curve<Key extends string = CurveKey> {
  /** Steps of a bucket. */
  width: number;
  /** The last step in each bucket. Steps may be missing, and buckets therefore too. */
  readonly steps: number[];
  readonly columns: Record<Key, Column>;
}

/** More than a chart has pixels on most screens. */
export const MAX_BUCKETS = 1024;

export function emptyCurve<Key extends string>(keys: readonly Key[]): Curve<Key> {
  const empty = (): Column => ({ count: [], mean: [], low: [], high: [] });
  return {
    width: 1,
    steps: [],
    columns: Object.fromEntries(keys.map((key) => [key, empty()])) as Record<Key, Column>,
  };
}

const keysOf = <Key extends string>({ columns }: Curve<Key>) => Object.keys(columns) as Key[];

/** Adds a step, which must come after all that are there. */
export function addPoint<Key extends string>(curve: Curve<Key>, step: number, point: CurvePoint<Key>): void {
  const keys = keysOf(curve);
  const last = curve.steps.at(-1);
  if (last !== undefined && bucketOf(last, curve.width) === bucketOf(step, curve.width)) {
    curve.steps[curve.steps.length - 1] = step;
  } else {
    curve.steps.push(step);
    for (const key of keys) appendEmpty(curve.columns[key]);
  }
  const bucket = curve.steps.length - 1;
  for (const key of keys) {
    const value = point[key] ?? null;
    if (value !== null)
      addValue(curve.columns[key], bucket, { count: 1, mean: value, low: value, high: value });
  }
  if (curve.steps.length > MAX_BUCKETS) halve(curve);
}

const bucketOf = (step: number, width: number) => Math.floor((step - 1) / width);

function halve<Key extends string>(curve: Curve<Key>): void {
  const keys = keysOf(curve);
  const width = curve.width * 2;
  const old = {
    steps: curve.steps.splice(0),
    columns: keys.map((key) => takeColumn(curve.columns[key])),
  };
  old.steps.forEach((step, from) => {
    const last = curve.steps.at(-1);
    const joins = last !== undefined && bucketOf(last, width) === bucketOf(step, width);
    if (joins) curve.steps[curve.steps.length - 1] = step;
    else curve.steps.push(step);
    const bucket = curve.steps.length - 1;
    keys.forEach((key, k) => {
      const { count, mean, low, high } = old.columns[k]!;
      if (!joins) appendEmpty(curve.columns[key]);
      if (count[from]! === 0) return;
      const summary = { count: count[from]!, mean: mean[from]!, low: low[from]!, high: high[from]! };
      addValue(curve.columns[key], bucket, summary);
    });
  });
  curve.width = width;
}

function takeColumn(column: Column): Column {
  return {
    count: column.count.splice(0),
    mean: column.mean.splice(0),
    low: column.low.splice(0),
    high: column.high.splice(0),
  };
}

function appendEmpty(column: Column): void {
  column.count.push(0);
  column.mean.push(null);
  column.low.push(null);
  column.high.push(null);
}

interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

function addValue(column: Column, bucket: number, value: Summary): void {
  const before = column.count[bucket]!;
  const count = before + value.count;
  column.count[bucket] = count;
  column.mean[bucket] = ((column.mean[bucket] ?? 0) * before + value.mean * value.count) / count;
  column.low[bucket] = Math.min(column.low[bucket] ?? Infinity, value.low);
  column.high[bucket] = Math.max(column.high[bucket] ?? -Infinity, value.high);
}
