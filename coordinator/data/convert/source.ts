import type { Columns } from '../columns.js';

/** A format that others publish feedback in. */
export interface Source {
  /** As `--from` names it. */
  readonly name: SourceName;
  /** Whether a row has the columns of this format. */
  readonly matches: (row: Columns) => boolean;
  /**
   * The row in TRL's columns, but for label and score; several rows of a row that holds many judgements.
   * @throws BadRow
   */
  readonly toRows: (row: Columns) => readonly Columns[];
  /** Columns that hold text, beside the usual ones, in small letters. */
  readonly textColumns?: ReadonlySet<string>;
}

export const SOURCE_NAMES = ['trl', 'sharegpt', 'alpaca', 'hh', 'shp', 'oasst', 'table'] as const;
export type SourceName = (typeof SOURCE_NAMES)[number];
