import { ConfigError } from '../../../lib/errors.js';
import { close, openBytes, peek } from './byte-source.js';
import { readCsv } from './csv.js';
import { readJson } from './json.js';
import { readParquet } from './parquet.js';
import { MAX_ROW_BYTES, type RawRow } from './raw-row.js';

const PARQUET = Buffer.from('PAR1');
/** A zip archive, which an Excel workbook is, and what workbooks were before 2007. */
const WORKBOOKS = [Buffer.from('PK\x03\x04'), Buffer.of(0xd0, 0xcf, 0x11, 0xe0)];

/**
 * Reads a file as a stream of rows: Parquet, JSON Lines or a JSON array, each known by its first bytes, or CSV, known
 * by the name `*.csv` or `*.tsv`; the text formats also compressed by gzip.
 * @throws ConfigError for a file that cannot be read, or is not sound as a whole.
 */
export async function* readRows(
  file: string,
  { maxRowBytes = MAX_ROW_BYTES }: { readonly maxRowBytes?: number } = {},
): AsyncGenerator<RawRow, void, undefined> {
  const { head, bytes } = await peek(await openBytes(file), PARQUET.length);
  const beginsWith = (magic: Buffer) => head.subarray(0, magic.length).equals(magic);
  if (beginsWith(PARQUET)) {
    await close(bytes);
    yield* readParquet(file);
  } else if (WORKBOOKS.some(beginsWith)) {
    await close(bytes);
    throw new ConfigError(`${file}: an Excel workbook or a zip archive: save the sheet as "CSV UTF-8"`);
  } else if (/\.[ct]sv(\.gz)?$/i.test(file)) {
    yield* readCsv(file, bytes, maxRowBytes);
  } else {
    yield* readJson(file, bytes, maxRowBytes);
  }
}
