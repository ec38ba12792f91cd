import type { Columns } from '../columns.js';

/** The first of the names that a row has a value for: its column as the row spells it, in capitals or small letters. */
export function findColumn(row: Columns, names: readonly string[]): string | null {
  const columns = Object.keys(row).filter((column) => row[column] !== undefined && row[column] !== null);
  for (const name of names) {
    const column = columns.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (column !== undefined) return column;
  }
  return null;
}

/** What stands in that column; null where there is none. */
export function findValue(row: Columns, names: readonly string[]): unknown {
  const column = findColumn(row, names);
  return column === null ? null : row[column];
}
