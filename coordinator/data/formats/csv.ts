import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import { BadRow } from '../bad-row.js';
import { peek, type Bytes } from './byte-source.js';
import { cellValue } from './csv-cell.js';
import { findDelimiter } from './csv-delimiter.js';
import type { RawRow } from './raw-row.js';

/** A record as csv-parse gives it: null for a cell that is empty and not quoted. */
interface CsvRecord {
  readonly record: readonly (string | null)[];
  /** `lines` were read when the record ended. */
  readonly info: { readonly lines: number };
}

/**
 * Reads comma-separated values (RFC 4180) whose first record names the columns; its names may also be set apart by
 * semicolons or tabs, and so are the cells below them then.
 * @throws ConfigError for quotes that do not pair up, bytes that are not UTF-8, a record of more than `maxBytes`, and a
 * header that names a column twice.
 */
export async function* readCsv(
  file: string,
  bytes: Bytes,
  maxBytes: number,
): AsyncGenerator<RawRow, void, undefined> {
  let columns: readonly string[] | null = null;
  let row = 0;
  let line = 1;
  for await (const { record, info } of parseCsv(file, bytes, maxBytes)) {
    const where = `${file}:${line}`;
    line = info.lines + 1;
    if (isBlank(record)) continue;
    if (columns === null) {
      columns = readHeader(where, record);
      continue;
    }
    const names = columns;
    yield { row, where, parse: (textColumns) => toObject(names, record, textColumns) };
    row += 1;
  }
}

/** What is looked at for the header. */
const HEADER_BYTES = 2 ** 16;

async function* parseCsv(
  file: string,
  bytes: Bytes,
  maxBytes: number,
): AsyncGenerator<CsvRecord, void, undefined> {
  const { head, bytes: all } = await peek(bytes, HEADER_BYTES);
  const parser = parse({
    info: true,
    delimiter: findDelimiter(head),
    record_delimiter: ['\n', '\r\n'],
    relax_column_count: true,
    max_record_size: maxBytes,
    cast: (cell, { quoting }) => (cell === '' && !quoting ? null : cell),
  });
  // Errors of either stream come out of the iteration below; a reader that stops early closes both.
  pipeline(Readable.from(decodeUtf8(file, all)), parser, () => undefined);
  try {
    yield* parser as AsyncIterable<CsvRecord>;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new ConfigError(`${file}:${parser.info.lines}: not CSV: ${oneLine(messageOf(error))}`);
  }
}

/** A byte order mark at the start is left out. */
async function* decodeUtf8(file: string, bytes: Bytes): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `${file}: not UTF-8 text: save it as "CSV UTF-8", or convert it with "iconv -f WINDOWS-1252 -t UTF-8"`,
    );
  }
}

function isBlank(record: readonly (string | null)[]): boolean {
  return record.length === 1 && record[0] === null;
}

function readHeader(where: string, record: readonly (string | null)[]): readonly string[] {
  const names = record.map((name) => name?.trim() ?? '');
  const twice = names.find((name, i) => name !== '' && names.indexOf(name) !== i);
  if (twice !== undefined) throw new ConfigError(`${where}: the header names column "${twice}" twice`);
  return names;
}

/** A column without a name (an index, as pandas writes it) is left out, and so is a cell without a value. */
function toObject(
  columns: readonly string[],
  cells: readonly (string | null)[],
  textColumns?: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  if (cells.length !== columns.length) throw new BadRow('not as many cells as the header has columns');
  const entries = columns.flatMap((column, i) => {
    const cell = cells[i] ?? null;
    return column === '' || cell === null ? [] : [[column, cellValue(column, cell, textColumns)] as const];
  });
  return Object.fromEntries(entries);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}
