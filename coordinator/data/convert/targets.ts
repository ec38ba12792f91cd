import { BadRow } from '../bad-row.js';
import type { Answer, Row } from '../row.js';
import { isDesirable, type Binarization } from './binarize.js';
import { jsonAnswer, pairJson, type Judgement } from './json-row.js';
import { PairUp } from './pair-up.js';

export const TARGET_NAMES = ['binary', 'score', 'preference'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export interface JudgedAnswer {
  readonly answer: Answer;
  readonly judgement: Judgement;
}

/**
 * Labelled answers. Pairs are taken apart as in the KTO paper: chosen is desirable, rejected is undesirable.
 * @throws BadRow
 */
export function toBinary(row: Row, binarization: Binarization): readonly JudgedAnswer[] {
  if (row.kind === 'judged') {
    return [{ answer: row.answer, judgement: { label: isDesirable(row, binarization) } }];
  }
  return [
    { answer: row.chosen, judgement: { label: true } },
    { answer: row.rejected, judgement: { label: false } },
  ];
}

/**
 * Answers with their score.
 * @throws BadRow
 */
export function toScored(row: Row): readonly JudgedAnswer[] {
  if (row.kind === 'pair') throw new BadRow('a pair has no score');
  const { answer, score } = row;
  if (score === null) throw new BadRow('score is missing');
  return [{ answer, judgement: { score } }];
}

/**
 * The pairs, as JSON, that are complete with a row: a pair as it is, or what `pairUp` makes of an answer.
 * @throws BadRow
 */
export function toPairs(row: Row, binarization: Binarization, pairUp: PairUp): readonly string[] {
  if (row.kind === 'pair') return [pairJson(jsonAnswer(row.chosen), jsonAnswer(row.rejected))];
  const pair = pairUp.add(row.answer, isDesirable(row, binarization));
  return pair === null ? [] : [pair];
}
