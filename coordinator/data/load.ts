import { ConfigError } from '../../lib/errors.js';
import { encodeAnswer, encodePair, type EncodedAnswer } from './encode-row.js';
import type { Example, PairedExample } from './example.js';
import { mapRows } from './formats/map-rows.js';
import type { RawRow } from './formats/raw-row.js';
import { fitCompletion, fitPrompt, type LengthLimits } from './length-rule.js';
import { parseRow } from './parse-row.js';
import { answersFor, requirePair, type RowUse } from './row-use.js';
import type { Answer, JudgedRow } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** Told of every row as it is read. */
export interface RowWatcher {
  /** A row that cannot be used, at `file:line`. */
  bad(where: string, reason: string): void;
  /** One of a row's answers, before it is cut to length, and what it is made of. */
  answer(where: string, answer: EncodedAnswer, kind: Answer['kind']): void;
}

export interface LoadPairsOptions extends LengthLimits {
  /** Count bad rows by reason instead of failing. */
  readonly skipBadRows: boolean;
  readonly watcher?: RowWatcher;
  /** Aborted, it ends the reading with its reason. */
  readonly signal?: AbortSignal;
}

export interface LoadOptions extends LoadPairsOptions {
  /** What the rows are used for. */
  readonly rows: RowUse;
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
  /** Examples by label. (Pairs have none.) */
  desirable: number;
  undesirable: number;
  /** Sound rows that there is no use for: undesirable ones in sft. */
  leftOut: number;
}

export interface Loaded<T> {
  readonly examples: T[];
  readonly report: DataReport;
}

/**
 * Reads, tokenizes and cuts to length the rows of a file, as completions that are looked at one by one.
 * @throws ConfigError `file:line: reason` for the first bad row, unless they are skipped; for a file without any
 * usable row; for a file that cannot be read.
 */
export async function loadExamples(
  file: string,
  tokenizer: TextTokenizer,
  options: LoadOptions,
): Promise<Loaded<Example>> {
  return load(file, options, (raw, report) => {
    const answers = answersFor(options.rows, parseRow(raw.parse()), tokenizer);
    const encoded = answers.map((judged) => ({ ...judged, ...encodeAnswer(judged.answer, tokenizer) }));
    for (const one of encoded) options.watcher?.answer(raw.where, one, one.answer.kind);
    return encoded.map((one) => toExample(raw, one, options, report));
  });
}

/**
 * As `loadExamples`, of a file of pairs.
 * @throws ConfigError
 */
export async function loadPairs(
  file: string,
  tokenizer: TextTokenizer,
  options: LoadPairsOptions,
): Promise<Loaded<PairedExample>> {
  const { maxLength, maxPromptLength, watcher } = options;
  return load(file, options, (raw, report) => {
    const pair = requirePair(parseRow(raw.parse()));
    const encoded = encodePair(pair, tokenizer);
    for (const completionIds of [encoded.chosenIds, encoded.rejectedIds]) {
      watcher?.answer(raw.where, { promptIds: encoded.promptIds, completionIds }, pair.chosen.kind);
    }
    const promptIds = fitPrompt(encoded.promptIds, maxPromptLength);
    const chosenIds = fitCompletion(encoded.chosenIds, promptIds.length, maxLength);
    const rejectedIds = fitCompletion(encoded.rejectedIds, promptIds.length, maxLength);
    if (promptIds.length < encoded.promptIds.length) report.promptsCut += 1;
    if (chosenIds.length < encoded.chosenIds.length) report.completionsCut += 1;
    if (rejectedIds.length < encoded.rejectedIds.length) report.completionsCut += 1;
    return [{ row: raw.row, promptIds, chosenIds, rejectedIds }];
  });
}

/** @param make returns no example for a sound row that there is no use for, and counts in `report` what it cuts */
async function load<T>(
  file: string,
  { skipBadRows, watcher, signal }: Pick<LoadPairsOptions, 'skipBadRows' | 'watcher' | 'signal'>,
  make: (raw: RawRow, report: DataReport) => readonly T[],
): Promise<Loaded<T>> {
  const examples: T[] = [];
  const skipped = new Map<string, number>();
  const report: DataReport = { ...EMPTY_REPORT, skipped };
  let firstBad: string | null = null;
  for await (const mapped of mapRows(file, (raw) => make(raw, report))) {
    signal?.throwIfAborted();
    report.rows += 1;
    if (mapped.kind === 'bad') {
      watcher?.bad(mapped.raw.where, mapped.reason);
      firstBad ??= `${mapped.raw.where}: ${mapped.reason}`;
      skipped.set(mapped.reason, (skipped.get(mapped.reason) ?? 0) + 1);
    } else {
      examples.push(...mapped.value);
      if (mapped.value.length > 0) report.used += 1;
      else report.leftOut += 1;
    }
  }
  if (firstBad !== null && !skipBadRows) throw badRows(firstBad, countAll(skipped));
  if (examples.length === 0) throw noUsableRow(file, report);
  return { examples, report };
}

const EMPTY_REPORT = {
  rows: 0,
  used: 0,
  promptsCut: 0,
  completionsCut: 0,
  desirable: 0,
  undesirable: 0,
  leftOut: 0,
} as const;

function toExample(
  raw: RawRow,
  encoded: JudgedRow & EncodedAnswer,
  { maxLength, maxPromptLength }: LengthLimits,
  report: DataReport,
): Example {
  const { label, score } = encoded;
  const promptIds = fitPrompt(encoded.promptIds, maxPromptLength);
  const completionIds = fitCompletion(encoded.completionIds, promptIds.length, maxLength);
  if (promptIds.length < encoded.promptIds.length) report.promptsCut += 1;
  if (completionIds.length < encoded.completionIds.length) report.completionsCut += 1;
  if (label === true) report.desirable += 1;
  if (label === false) report.undesirable += 1;
  const example = { row: raw.row, promptIds, completionIds, desirable: label };
  return score === null ? example : { ...example, score };
}

function badRows(first: string, count: number): ConfigError {
  const more = count > 1 ? ` (and ${count - 1} more bad rows)` : '';
  return new ConfigError(`${first}${more}; mend the data, or skip bad rows with --skip-bad-rows`);
}

function noUsableRow(file: string, report: DataReport): ConfigError {
  const reasons = [...report.skipped].map(([reason, count]) => `${count} skipped: ${reason}`);
  if (report.leftOut > 0) reasons.push(`${report.leftOut} undesirable, which sft leaves out`);
  const details = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
  return new ConfigError(
    `${file}: no usable row of ${report.rows}${details}; ` +
      `"prospect data inspect ${file}" shows what it holds, and how to convert it`,
  );
}

function countAll(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
