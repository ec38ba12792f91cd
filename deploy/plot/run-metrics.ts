import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { DrawnCurves } from '../../coordinator/page/view/charts.js';
import {
  addPoint,
  curveKeys,
  emptyCurve,
  evaluationKeys,
  type Curve,
  type EvaluationKey,
} from '../../coordinator/page/view/curve.js';
import { evaluationPoint, numberOf, stepPoint } from '../../coordinator/page/view/step-point.js';
import { ConfigError, messageOf } from '../../lib/errors.js';

/** The curves of one stage of a run. */
export interface StageCurves extends DrawnCurves {
  /** Of the run: its directory's. */
  readonly name: string;
  readonly stage: number;
  readonly method: string;
}

const Row = z.looseObject({ step: z.int().positive(), stage: z.int().positive(), method: z.string() });
type Row = z.infer<typeof Row>;

/** Step 0 is the stage's start. */
const EvaluationRow = z.looseObject({ step: z.int().nonnegative(), stage: z.int().positive() });

/**
 * Reads a stage's curves, and those of its held-out rows where there are any.
 *
 * @param run a run's output directory, or its metrics.jsonl, with its evaluations.jsonl beside it
 * @param stage null for the last one
 * @throws ConfigError
 */
export function readStageCurves(run: string, stage: number | null): StageCurves {
  const file = metricsFileOf(run);
  const rows = readRows(file, Row);
  const number = stage ?? rows.at(-1)?.stage ?? 1;
  const own = rows.filter((row) => row.stage === number);
  const [first] = own;
  if (first === undefined) {
    const known = [...new Set(rows.map((row) => row.stage))].join(', ');
    throw new ConfigError(
      rows.length === 0
        ? `${file}: no step was finished yet`
        : `${file}: no stage ${number}; there is ${known}`,
    );
  }
  return {
    name: basename(dirname(resolve(file))),
    stage: number,
    method: first.method,
    curve: trainingCurve(file, own),
    evaluations: readEvaluations(join(dirname(file), 'evaluations.jsonl'), number),
  };
}

function trainingCurve(file: string, rows: readonly Row[]): Curve {
  const curve = emptyCurve(curveKeys);
  let place = { step: 0, tokens: 0 };
  for (const row of rows) {
    requireNext(file, row.step, place.step);
    addPoint(curve, row.step, stepPoint(row, place));
    place = { step: row.step, tokens: numberOf(row, 'num_tokens') ?? place.tokens };
  }
  return curve;
}

function readEvaluations(file: string, stage: number): Curve<EvaluationKey> {
  const curve = emptyCurve(evaluationKeys);
  if (!existsSync(file)) return curve;
  for (const row of readRows(file, EvaluationRow).filter((row) => row.stage === stage)) {
    requireNext(file, row.step, curve.steps.at(-1) ?? -1);
    addPoint(curve, row.step, evaluationPoint(row));
  }
  return curve;
}

function requireNext(file: string, step: number, before: number): void {
  if (step <= before) throw new ConfigError(`${file}: step ${step} comes after step ${before}`);
}

function metricsFileOf(run: string): string {
  if (!existsSync(run))
    throw new ConfigError(`${run} is not there; give a run's output directory or its metrics.jsonl`);
  if (!statSync(run).isDirectory()) return run;
  const file = join(run, 'metrics.jsonl');
  if (!existsSync(file))
    throw new ConfigError(`${run} holds no metrics.jsonl; give the output directory of a run`);
  return file;
}

function readRows<Schema extends z.ZodType>(file: string, schema: Schema): z.infer<Schema>[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  // What follows the last line's end is being written.
  lines.pop();
  return lines.map((line, index) => {
    try {
      return schema.parse(JSON.parse(line));
    } catch (error) {
      const why =
        error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s+/g, ' ') : messageOf(error);
      throw new ConfigError(`${file}:${index + 1}: not a line of metrics: ${why}`);
    }
  });
}
