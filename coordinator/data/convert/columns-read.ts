import { ConfigError } from '../../../lib/errors.js';
import { asColumns, type Columns } from '../columns.js';
import { mapRows } from '../formats/map-rows.js';
import { SAMPLE_ROWS } from './detect.js';
import { findColumn } from './find-column.js';
import { LABEL_NAMES, SCORE_NAMES, type JudgementColumns } from './judgement.js';
import { COMPLETION_NAMES, PROMPT_NAMES, type TextColumns } from './sources/table.js';

/** By what they hold: columns as the user names them, or as a file spells them. Null for none. */
export type NamedColumns = TextColumns & JudgementColumns;
export type ColumnKind = keyof NamedColumns;

export const NO_NAMES: NamedColumns = { prompt: null, completion: null, label: null, score: null };

const USUAL_NAMES: Readonly<Record<ColumnKind, readonly string[]>> = {
  prompt: PROMPT_NAMES,
  completion: COMPLETION_NAMES,
  label: LABEL_NAMES,
  score: SCORE_NAMES,
};
const KINDS: readonly ColumnKind[] = ['prompt', 'completion', 'label', 'score'];

/**
 * The columns of a file that are read as what, by the names that the user gives or else by the usual ones in its first
 * rows.
 * @throws ConfigError for a column that the user names, and that no row has a value for.
 */
export async function columnsRead(file: string, named: NamedColumns): Promise<NamedColumns> {
  const search = new ColumnSearch(named);
  let rows = 0;
  for await (const mapped of mapRows(file, (raw) => asColumns(raw.parse()))) {
    if (mapped.kind === 'sound') search.look(mapped.value);
    rows += 1;
    if (rows >= SAMPLE_ROWS && search.missing === undefined) break;
  }
  if (search.missing === undefined) return search.found;
  const columns = [...search.present].join(', ');
  throw new ConfigError(
    `--${search.missing}-column ${named[search.missing]}: no row of ${file} has a value there; its columns: ${columns}`,
  );
}

class ColumnSearch {
  readonly found: { -readonly [kind in ColumnKind]: string | null } = { ...NO_NAMES };
  /** Columns that the file has. */
  readonly present = new Set<string>();
  readonly #named: NamedColumns;

  constructor(named: NamedColumns) {
    this.#named = named;
  }

  /** One that the user names, and that is not found. */
  get missing(): ColumnKind | undefined {
    return KINDS.find((kind) => this.#named[kind] !== null && this.found[kind] === null);
  }

  look(row: Columns): void {
    for (const column of Object.keys(row)) this.present.add(column);
    for (const kind of KINDS) {
      const name = this.#named[kind];
      this.found[kind] ??= findColumn(row, name === null ? USUAL_NAMES[kind] : [name]);
    }
  }
}
