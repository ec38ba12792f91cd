import { close, openBytes, peek } from './byte-source.js';
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readParquet } from './parquet.js';
import { MAX_ROW_BYTES, type RawRow } from './raw-row.js';

const PARQUET = Buffer.from('PAR1');

/**
 * Reads a file as a stream of rows: Parquet, JSON Lines or a JSON array, each known by its first bytes, or CSV, known
 * by the name `*.csv`; the text formats also compressed by gzip.
 * @throws ConfigError for a file that cannot be read, or is not sound as a whole.
 */
export async function* readRows(
  file: string,
  { maxRowBytes = MAX_ROW_BYTES }: { readonly maxRowBytes?: number } = {},
): AsyncGenerator<RawRow, void, undefined> {
  const { head, bytes } = await peek(await openBytes(file), PARQUET.length);
  if (head.subarray(0, PARQUET.length).equals(PARQUET)) {
    await close(bytes);
    yield* readParquet(file);
  } else if (/\.csv(\.gz)?$/i.test(file)) {
    yield* readCsv(file, bytes, maxRowBytes);
  } else {
    yield* readJson(file, bytes, maxRowBytes);
  }
}
