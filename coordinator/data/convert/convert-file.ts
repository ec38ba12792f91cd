import { ConfigError } from '../../../lib/errors.js';
import { BadRow } from '../bad-row.js';
import { asColumns } from '../columns.js';
import { mapRows } from '../formats/map-rows.js';
import type { RawRow } from '../formats/raw-row.js';
import { parseRow } from '../parse-row.js';
import { Reasons } from '../reasons.js';
import type { Row } from '../row.js';
import type { Binarization } from './binarize.js';
import { judgementOf, type JudgementColumns } from './judgement.js';
import { judgedJson, type Judgement } from './json-row.js';
import { OnePerPrompt } from './one-per-prompt.js';
import { PairUp } from './pair-up.js';
import type { Source } from './source.js';
import { toBinary, toPairs, toScored, type JudgedAnswer, type TargetName } from './targets.js';
import { writeLines } from './write-lines.js';

export interface ConversionOptions extends Binarization {
  readonly source: Source;
  readonly target: TargetName;
  /** Where the judgement stands. */
  readonly judgement: JudgementColumns;
  /** Seed of the choice of one answer of every prompt; null to keep all. Not for pairs. */
  readonly onePerPromptSeed: number | null;
}

/** What became of a file's rows. Every row that came in gave at least a row, was part of one, or is in `rejected`. */
export interface ConversionReport {
  rowsIn: number;
  rowsOut: number;
  /** Written rows by label. */
  desirable: number;
  undesirable: number;
  readonly rejected: Reasons;
}

/**
 * Writes the rows of a file in another format, as JSON Lines, with a few rows in memory at a time.
 * @throws ConfigError for a file that cannot be read or written, or of which no row could be converted; then no file is
 * written. Also the reason of `signal`.
 */
export async function convertFile(
  input: string,
  output: string,
  options: ConversionOptions,
  signal: AbortSignal,
): Promise<ConversionReport> {
  const report = { rowsIn: 0, rowsOut: 0, desirable: 0, undesirable: 0, rejected: new Reasons() };
  const lines = options.target === 'preference' ? pairLines : answerLines;
  await writeLines(output, notNone(input, lines(input, options, report, signal), report), signal);
  return report;
}

async function* pairLines(
  input: string,
  options: ConversionOptions,
  report: ConversionReport,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const pairUp = new PairUp();
  const convert = (raw: RawRow) => readRaw(raw, options).flatMap((row) => toPairs(row, options, pairUp));
  yield* convertRows(input, convert, report, signal);
  if (pairUp.waiting > 0) {
    const reason = 'no answer of the other label to the same prompt is left to make a pair with';
    report.rejected.add(reason, null, pairUp.waiting);
  }
}

async function* answerLines(
  input: string,
  options: ConversionOptions,
  report: ConversionReport,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const toAnswers = (raw: RawRow) => readRaw(raw, options).flatMap((row) => toJudged(row, options));
  const choice = await chooseOnePerPrompt(input, options.onePerPromptSeed, toAnswers, signal);
  const convert = (raw: RawRow) => {
    const answers = toAnswers(raw).filter(({ answer }) => choice === null || choice.keeps(answer));
    if (answers.length === 0) throw new BadRow('another answer to its prompt was chosen');
    const lines = answers.map(({ answer, judgement }) => judgedJson(answer, judgement));
    for (const { judgement } of answers) count(judgement, report);
    return lines;
  };
  yield* convertRows(input, convert, report, signal);
}

function count(judgement: Judgement, report: ConversionReport): void {
  if (!('label' in judgement)) return;
  if (judgement.label) report.desirable += 1;
  else report.undesirable += 1;
}

function toJudged(row: Row, options: ConversionOptions): readonly JudgedAnswer[] {
  return options.target === 'score' ? toScored(row) : toBinary(row, options);
}

/** Null where all answers are kept. */
async function chooseOnePerPrompt(
  input: string,
  seed: number | null,
  toAnswers: (raw: RawRow) => readonly JudgedAnswer[],
  signal: AbortSignal,
): Promise<OnePerPrompt | null> {
  if (seed === null) return null;
  const choice = new OnePerPrompt(seed);
  for await (const mapped of mapRows(input, toAnswers)) {
    signal.throwIfAborted();
    if (mapped.kind === 'sound') for (const { answer } of mapped.value) choice.observe(answer);
  }
  return choice;
}

async function* convertRows(
  input: string,
  convert: (raw: RawRow) => readonly string[],
  report: ConversionReport,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  for await (const mapped of mapRows(input, convert)) {
    signal.throwIfAborted();
    report.rowsIn += 1;
    if (mapped.kind === 'bad') {
      report.rejected.add(mapped.reason, mapped.raw.where);
      continue;
    }
    report.rowsOut += mapped.value.length;
    yield* mapped.value;
  }
}

function readRaw(raw: RawRow, { source, judgement }: ConversionOptions): Row[] {
  const columns = asColumns(raw.parse(source.textColumns));
  const judged = judgementOf(columns, judgement);
  return source.toRows(columns).map((row) => parseRow({ ...row, ...judged }));
}

/** Ends with an error where nothing came out, so that no empty file is written. */
async function* notNone(
  input: string,
  lines: AsyncIterable<string>,
  report: ConversionReport,
): AsyncGenerator<string, void, undefined> {
  yield* lines;
  if (report.rowsOut > 0) return;
  const details = report.rejected.total > 0 ? ` (${report.rejected.toString()})` : '';
  throw new ConfigError(
    `${input}: none of ${report.rowsIn} rows can be converted${details}; ` +
      `"prospect data inspect ${input}" shows its columns`,
  );
}
