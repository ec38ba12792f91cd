import { setImmediate } from 'node:timers/promises';
import type { Method } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { encodeRow } from './encode-row.js';
import type { Example } from './example.js';
import { fitCompletion, fitPrompt } from './length-rule.js';
import { readRows, type RawRow } from './formats/read-rows.js';
import { BadRow, parseRow } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

export interface LoadOptions {
  /** Tokens of prompt and completion together. */
  readonly maxLength: number;
  /** Less than `maxLength`. */
  readonly maxPromptLength: number;
  /** Decides what a label must be; null uses every row, whatever its label. */
  readonly method: Method | null;
  /** Count bad rows by reason instead of failing. */
  readonly skipBadRows: boolean;
}

/** What became of a file's rows: `rows` = `used` + all of `skipped` + `leftOut`. */
export interface DataReport {
  rows: number;
  used: number;
  /** Bad rows by reason. */
  skipped: ReadonlyMap<string, number>;
  /** Of the used rows: prompts that lost their beginning, and completions that lost their end, to the rule of length. */
  promptsCut: number;
  completionsCut: number;
  /** Of the used rows, by label. */
  desirable: number;
  undesirable: number;
  /** Sound rows that the method has no use for: undesirable ones in sft. */
  leftOut: number;
}

/**
 * Reads, tokenizes and cuts to length the rows of a JSON Lines file (or a JSON array).
 * @throws ConfigError `file:line: reason` for the first bad row, unless they are skipped; for a file without any
 * usable row; for a file that cannot be read.
 */
export async function loadExamples(
  file: string,
  tokenizer: TextTokenizer,
  options: LoadOptions,
): Promise<{ examples: Example[]; report: DataReport }> {
  const examples: Example[] = [];
  const skipped = new Map<string, number>();
  const report: DataReport = {
    rows: 0,
    used: 0,
    skipped,
    promptsCut: 0,
    completionsCut: 0,
    desirable: 0,
    undesirable: 0,
    leftOut: 0,
  };
  let firstBad: string | null = null;
  const letOthersRun = turnTaker();
  for await (const raw of readRows(file)) {
    await letOthersRun();
    report.rows += 1;
    try {
      const example = toExample(raw, tokenizer, options, report);
      if (example !== null) examples.push(example);
    } catch (error) {
      if (!(error instanceof BadRow)) throw error;
      firstBad ??= `${raw.where}: ${error.message}`;
      skipped.set(error.message, (skipped.get(error.message) ?? 0) + 1);
    }
  }
  if (firstBad !== null && !options.skipBadRows) throw badRows(firstBad, countAll(skipped));
  if (examples.length === 0) throw noUsableRow(file, report);
  return { examples, report };
}

/** null for a sound row that the method has no use for. Counts in `report` what it makes of the row. */
function toExample(
  raw: RawRow,
  tokenizer: TextTokenizer,
  { method, maxLength, maxPromptLength }: LoadOptions,
  report: DataReport,
): Example | null {
  const row = parseRow(raw.parse());
  if (method === 'kto' && row.label === null) throw new BadRow('label is missing');
  const encoded = encodeRow(row, tokenizer);
  if (method === 'sft' && row.label === false) {
    report.leftOut += 1;
    return null;
  }
  const promptIds = fitPrompt(encoded.promptIds, maxPromptLength);
  const completionIds = fitCompletion(encoded.completionIds, promptIds.length, maxLength);
  report.used += 1;
  if (promptIds.length < encoded.promptIds.length) report.promptsCut += 1;
  if (completionIds.length < encoded.completionIds.length) report.completionsCut += 1;
  if (row.label === true) report.desirable += 1;
  if (row.label === false) report.undesirable += 1;
  return { row: raw.row, promptIds, completionIds, desirable: row.label };
}

/** Longest time that heartbeats and requests wait behind tokenizing, but for a single long row. */
const TURN_MS = 5;

function turnTaker(): () => Promise<void> {
  let turnStart = performance.now();
  return async () => {
    if (performance.now() - turnStart < TURN_MS) return;
    await setImmediate();
    turnStart = performance.now();
  };
}

function badRows(first: string, count: number): ConfigError {
  const more = count > 1 ? ` (and ${count - 1} more bad rows)` : '';
  return new ConfigError(`${first}${more}; mend the data, or skip bad rows with --skip-bad-rows`);
}

function noUsableRow(file: string, report: DataReport): ConfigError {
  const reasons = [...report.skipped].map(([reason, count]) => `${count} skipped: ${reason}`);
  if (report.leftOut > 0) reasons.push(`${report.leftOut} undesirable, which sft leaves out`);
  const details = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
  return new ConfigError(`${file}: no usable row of ${report.rows}${details}`);
}

function countAll(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
