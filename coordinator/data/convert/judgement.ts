import type { Columns } from '../columns.js';
import { findValue } from './find-column.js';

/** Names that people and data sets give a label; the first that a row has a value for is its. */
export const LABEL_NAMES: readonly string[] = ['label', 'kto_tag'];
/** Names that they give a graded judgement. */
export const SCORE_NAMES: readonly string[] = ['score', 'stars', 'rating'];

/** Columns that hold the judgement; null for one that goes by a usual name. */
export interface JudgementColumns {
  readonly label: string | null;
  readonly score: string | null;
}

/** How a row is judged, in TRL's columns; unchecked. */
export function judgementOf(row: Columns, { label, score }: JudgementColumns): Columns {
  return {
    label: toLabel(findValue(row, label === null ? LABEL_NAMES : [label])),
    score: toScore(findValue(row, score === null ? SCORE_NAMES : [score])),
  };
}

/** Many files write 1 and 0. */
function toLabel(label: unknown): unknown {
  return label === 1 || label === 0 ? label === 1 : label;
}

/** Some files write numbers as text. */
function toScore(score: unknown): unknown {
  return typeof score === 'string' && /^\s*[+-]?\d+(\.\d+)?\s*$/.test(score) ? Number(score) : score;
}
