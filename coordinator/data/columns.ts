import { BadRow } from './bad-row.js';

/** A row before it is known what it is: values by column. */
export type Columns = Readonly<Record<string, unknown>>;

export function isColumns(value: unknown): value is Columns {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws BadRow */
export function asColumns(value: unknown): Columns {
  if (!isColumns(value)) throw new BadRow('not a JSON object');
  return value;
}
