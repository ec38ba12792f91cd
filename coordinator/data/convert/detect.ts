import { ConfigError } from '../../../lib/errors.js';
import { asColumns, type Columns } from '../columns.js';
import { mapRows } from '../formats/map-rows.js';
import { SOURCE_NAMES, type Source, type SourceName } from './source.js';
import { SOURCES } from './sources.js';

/** Rows that tell what a file holds. */
export const SAMPLE_ROWS = 20;

/**
 * The format of a file, by the columns of its first rows.
 * @throws ConfigError where they are of no format that we know, or of several.
 */
export async function detectSource(file: string): Promise<Source> {
  const rows = await firstRows(file);
  const found = new Set(rows.map(sourceOf).filter((name) => name !== null));
  const [only, ...others] = found;
  if (only === undefined) throw unknownFormat(file, rows);
  if (others.length > 0) {
    throw new ConfigError(
      `${file}: the first rows are of several formats (${[...found].join(', ')}): choose one with --from`,
    );
  }
  return SOURCES[only];
}

/** Of the first rows, those that are objects. */
async function firstRows(file: string): Promise<Columns[]> {
  const rows: Columns[] = [];
  let seen = 0;
  for await (const mapped of mapRows(file, (raw) => asColumns(raw.parse()))) {
    if (mapped.kind === 'sound') rows.push(mapped.value);
    seen += 1;
    if (seen === SAMPLE_ROWS) break;
  }
  return rows;
}

/** Some files hold the columns of a plainer format too: the first of the list that matches is the row's. */
function sourceOf(row: Columns): SourceName | null {
  return SOURCE_NAMES.find((name) => SOURCES[name].matches(row)) ?? null;
}

function unknownFormat(file: string, rows: readonly Columns[]): ConfigError {
  if (rows.length === 0) {
    return new ConfigError(
      `${file}: its first rows are not JSON; a table of text is known by its name, *.csv or *.tsv`,
    );
  }
  const columns = new Set(rows.flatMap((row) => Object.keys(row)));
  return new ConfigError(
    `${file}: of no format that is known (columns: ${[...columns].join(', ')}): ` +
      'name what was asked and answered with --prompt-column and --completion-column',
  );
}
