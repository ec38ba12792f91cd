import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { addPoint, emptyCurve, type Curve } from '../../coordinator/page/view/curve.js';
import { numberOf, stepPoint } from '../../coordinator/page/view/step-point.js';
import { ConfigError, messageOf } from '../../lib/errors.js';

/** The curves of one stage of a run. */
export interface StageCurves {
  /** Of the run: its directory's. */
  readonly name: string;
  readonly stage: number;
  readonly method: string;
  readonly curve: Curve;
}

const Row = z.looseObject({ step: z.int().positive(), stage: z.int().positive(), method: z.string() });
type Row = z.infer<typeof Row>;

/**
 * Reads a stage's curves.
 *
 * @param run a run's output directory, or its metrics.jsonl
 * @param stage null for the last one
 * @throws ConfigError
 */
export function readStageCurves(run: string, stage: number | null): StageCurves {
  const file = metricsFileOf(run);
  const rows = readRows(file);
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
  const curve = emptyCurve();
  let place = { step: 0, tokens: 0 };
  for (const row of own) {
    if (row.step <= place.step)
      throw new ConfigError(`${file}: step ${row.step} comes after step ${place.step}`);
    addPoint(curve, row.step, stepPoint(row, place));
    place = { step: row.step, tokens: numberOf(row, 'num_tokens') ?? place.tokens };
  }
  return { name: basename(dirname(resolve(file))), stage: number, method: first.method, curve };
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

function readRows(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  // What follows the last line's end is being written.
  lines.pop();
  return lines.map((line, index) => {
    try {
      return Row.parse(JSON.parse(line));
    } catch (error) {
      const why =
        error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s+/g, ' ') : messageOf(error);
      throw new ConfigError(`${file}:${index + 1}: not a line of metrics: ${why}`);
    }
  });
}
