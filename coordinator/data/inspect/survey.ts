import { asColumns, type Columns } from '../columns.js';
import { mapRows } from '../formats/map-rows.js';
import { Reasons } from '../reasons.js';

/** What stands in a file's columns, whatever they are called. */
export interface Survey {
  rows: number;
  readonly bad: Reasons;
  /** By name, in the order that they come in. */
  readonly columns: Map<string, ColumnSurvey>;
}

/** Different values of a column that are counted one by one; a column of more is one of texts, or of numbers. */
export const MOST_VALUES = 20;
/** Longer values are the same where they begin with the same characters: whole texts are not held in memory. */
const VALUE_CHARACTERS = 200;

export class ColumnSurvey {
  /** Rows that have a value. */
  filled = 0;
  /** How often each of the first MOST_VALUES different values stands there; text in quotes. */
  readonly values = new Map<string, number>();
  /** Whether there are more. */
  hasMore = false;

  add(value: unknown): void {
    this.filled += 1;
    const shown = describe(value);
    const before = this.values.get(shown);
    if (before === undefined && this.values.size === MOST_VALUES) this.hasMore = true;
    else this.values.set(shown, (before ?? 0) + 1);
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, VALUE_CHARACTERS));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'an object';
}

/** @throws ConfigError for a file that cannot be read. */
export async function surveyFile(file: string): Promise<Survey> {
  const survey: Survey = { rows: 0, bad: new Reasons(), columns: new Map() };
  for await (const mapped of mapRows(file, (raw) => asColumns(raw.parse()))) {
    survey.rows += 1;
    if (mapped.kind === 'bad') survey.bad.add(mapped.reason, mapped.raw.where);
    else countRow(mapped.value, survey);
  }
  return survey;
}

function countRow(row: Columns, { columns }: Survey): void {
  for (const [name, value] of Object.entries(row)) {
    if (value === null || value === undefined) continue;
    const column = columns.get(name) ?? new ColumnSurvey();
    columns.set(name, column);
    column.add(value);
  }
}
