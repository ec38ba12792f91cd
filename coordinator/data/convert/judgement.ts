import type { Columns } from '../columns.js';

/** Names that data sets give a label; the first that a row has is its. */
const LABEL_COLUMNS = ['label', 'kto_tag'];
/** Names that data sets give a graded judgement. */
const SCORE_COLUMNS = ['score', 'stars', 'rating'];

/**
 * How a row is judged, in TRL's columns; unchecked.
 * @param scoreColumn where the score stands; null for the usual places
 */
export function judgementOf(row: Columns, scoreColumn: string | null): Columns {
  const scoreColumns = scoreColumn === null ? SCORE_COLUMNS : [scoreColumn];
  return { label: toLabel(firstOf(row, LABEL_COLUMNS)), score: firstOf(row, scoreColumns) };
}

function firstOf(row: Columns, columns: readonly string[]): unknown {
  const column = columns.find((name) => row[name] !== undefined && row[name] !== null);
  return column === undefined ? null : row[column];
}

/** Many files write 1 and 0. */
function toLabel(label: unknown): unknown {
  return label === 1 || label === 0 ? label === 1 : label;
}
