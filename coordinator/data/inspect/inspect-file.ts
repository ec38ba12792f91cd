import { ConfigError } from '../../../lib/errors.js';
import { encodeAnswer, encodePair, type EncodedAnswer } from '../encode-row.js';
import { mapRows } from '../formats/map-rows.js';
import { fitCompletion, fitPrompt, type LengthLimits } from '../length-rule.js';
import { parseRow } from '../parse-row.js';
import { Reasons } from '../reasons.js';
import type { Row } from '../row.js';
import type { TextTokenizer } from '../tokenizer.js';
import { Duplicates } from './duplicates.js';
import { Quantiles } from './quantiles.js';

/** What a file holds. */
export interface Inspection {
  rows: number;
  readonly bad: Reasons;
  /** Rows by kind; a pair counts as no labelled row. */
  readonly kinds: Record<RowKind, number>;
  /** Tokens of every answer, before they are cut. */
  readonly promptTokens: Quantiles;
  readonly completionTokens: Quantiles;
  /** Answers whose prompt loses its beginning, and whose completion loses its end, to the limits. */
  promptsCut: number;
  completionsCut: number;
  readonly duplicates: Duplicates;
  /** The first answer, as it is trained on. */
  sample: Sample | null;
}

export type RowKind = 'desirable' | 'undesirable' | 'scored' | 'without label' | 'pair';

export interface Sample extends EncodedAnswer {
  readonly where: string;
  /** Plain text; messages or token ids otherwise. */
  readonly isText: boolean;
}

/**
 * Reads and tokenizes a file as training does, and counts what is in it. Bad rows are counted too.
 * @throws ConfigError for a file that cannot be read, or without a row that could be trained on.
 */
export async function inspectFile(
  file: string,
  tokenizer: TextTokenizer,
  limits: LengthLimits,
): Promise<Inspection> {
  const inspection = emptyInspection();
  for await (const mapped of mapRows(file, (raw) => encodeRow(parseRow(raw.parse()), tokenizer))) {
    inspection.rows += 1;
    if (mapped.kind === 'bad') {
      inspection.bad.add(mapped.reason, mapped.raw.where);
      continue;
    }
    const { kind, answers } = mapped.value;
    inspection.kinds[kind] += 1;
    for (const answer of answers) countAnswer(inspection, answer, limits, mapped.raw.where);
  }
  if (inspection.sample === null) throw noSoundRow(file, inspection);
  return inspection;
}

interface LabelledAnswer extends EncodedAnswer {
  readonly label: boolean | null;
  readonly isText: boolean;
}

interface EncodedRow {
  readonly kind: RowKind;
  readonly answers: readonly LabelledAnswer[];
}

function encodeRow(row: Row, tokenizer: TextTokenizer): EncodedRow {
  if (row.kind === 'pair') {
    const { promptIds, chosenIds, rejectedIds } = encodePair(row, tokenizer);
    const isText = row.chosen.kind === 'text';
    const answers = [
      { promptIds, completionIds: chosenIds, label: true, isText },
      { promptIds, completionIds: rejectedIds, label: false, isText },
    ];
    return { kind: 'pair', answers };
  }
  const { label, score } = row;
  const isText = row.answer.kind === 'text';
  const answers = [{ ...encodeAnswer(row.answer, tokenizer), label, isText }];
  if (label === null) return { kind: score === null ? 'without label' : 'scored', answers };
  return { kind: label ? 'desirable' : 'undesirable', answers };
}

function countAnswer(
  inspection: Inspection,
  answer: LabelledAnswer,
  { maxLength, maxPromptLength }: LengthLimits,
  where: string,
): void {
  const promptIds = fitPrompt(answer.promptIds, maxPromptLength);
  const completionIds = fitCompletion(answer.completionIds, promptIds.length, maxLength);
  inspection.promptTokens.add(answer.promptIds.length);
  inspection.completionTokens.add(answer.completionIds.length);
  if (promptIds.length < answer.promptIds.length) inspection.promptsCut += 1;
  if (completionIds.length < answer.completionIds.length) inspection.completionsCut += 1;
  inspection.duplicates.add(answer, answer.label);
  inspection.sample ??= { where, promptIds, completionIds, isText: answer.isText };
}

function emptyInspection(): Inspection {
  return {
    rows: 0,
    bad: new Reasons(),
    kinds: { desirable: 0, undesirable: 0, scored: 0, 'without label': 0, pair: 0 },
    promptTokens: new Quantiles(),
    completionTokens: new Quantiles(),
    promptsCut: 0,
    completionsCut: 0,
    duplicates: new Duplicates(),
    sample: null,
  };
}

function noSoundRow(file: string, { rows, bad }: Inspection): ConfigError {
  const details = bad.total > 0 ? ` (${bad.toString()})` : '';
  return new ConfigError(
    `${file}: none of ${rows} rows can be trained on${details}; ` +
      `"prospect data inspect ${file}", without --model, shows what it holds, and how to convert it`,
  );
}
