import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  convertFile,
  type ConversionOptions,
  type ConversionReport,
} from '../../../../../coordinator/data/convert/convert-file.js';
import { detectSource } from '../../../../../coordinator/data/convert/detect.js';
import { temporaryDirectory } from '../tiny-model.js';

export interface Converted {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly report: ConversionReport;
  /** Rejected rows by reason. */
  readonly rejected: Readonly<Record<string, number>>;
}

/** Converts rows, which are of the format that their columns tell; strings are written as they are. */
export async function convertRows(
  t: TestContext,
  rows: readonly unknown[],
  options: Pick<ConversionOptions, 'target'> & Partial<ConversionOptions>,
): Promise<Converted> {
  const dir = temporaryDirectory(t);
  const input = join(dir, 'in.jsonl');
  const output = join(dir, 'out.jsonl');
  writeFileSync(
    input,
    rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join(''),
  );
  const conversion = {
    judgement: { label: null, score: null },
    threshold: null,
    neutral: null,
    onePerPromptSeed: null,
    ...options,
    source: options.source ?? (await detectSource(input)),
  };
  const report = await convertFile(input, output, conversion, new AbortController().signal);
  const lines = readFileSync(output, 'utf8').trimEnd().split('\n');
  return {
    rows: lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
    report,
    rejected: Object.fromEntries([...report.rejected.byReason].map(([reason, { count }]) => [reason, count])),
  };
}

export const user = (content: string) => ({ role: 'user', content });
export const assistant = (content: string) => ({ role: 'assistant', content });
