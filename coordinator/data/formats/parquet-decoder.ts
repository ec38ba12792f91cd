import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { Columns } from '../columns.js';

export interface DecodeLimits {
  /** Bytes, before compression, that are decoded at once where the file can be read in parts. */
  readonly sliceBytes: number;
  /** The largest row group, in bytes before compression, of a file that cannot. */
  readonly maxGroupBytes: number;
}

/** Rows decoded at once, whatever a file says of its bytes. (pyarrow writes up to 2^20 rows into a row group.) */
const MAX_ROWS = { slice: 2 ** 16, group: 2 ** 21 };

/**
 * Decodes a Parquet file, some rows at a time: slices of row groups, or whole ones where there are lists or structs
 * without an index of their pages.
 * @throws Error for a file that is not sound, or too large to decode
 */
export async function* decodeParquet(
  file: string,
  limits: DecodeLimits,
): AsyncGenerator<readonly unknown[], void, undefined> {
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer, { geoparquet: false });
  for (const slice of planSlices(metadata, limits)) {
    const rows = await readSlice(buffer, metadata, slice);
    yield rows.map(toJson);
  }
}

interface Slice {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

function* planSlices(metadata: FileMetaData, limits: DecodeLimits): Generator<Slice, void, undefined> {
  const inParts = canReadInParts(metadata);
  let groupStart = 0;
  for (const { num_rows: numRows, total_byte_size: totalBytes } of metadata.row_groups) {
    const rows = Number(numRows);
    const bytes = Number(totalBytes);
    if (!inParts && (bytes > limits.maxGroupBytes || rows > MAX_ROWS.group)) throw groupTooLarge(limits);
    const fitting = Math.floor((rows * limits.sliceBytes) / Math.max(bytes, 1));
    const sliceRows = inParts ? Math.max(1, Math.min(fitting, MAX_ROWS.slice)) : rows;
    const groupEnd = groupStart + rows;
    for (let start = groupStart; start < groupEnd; start += sliceRows) {
      yield { start, end: Math.min(start + sliceRows, groupEnd) };
    }
    groupStart = groupEnd;
  }
}

/** Flat columns can be skipped through by pages; others need the index that some writers put at the end. */
function canReadInParts(metadata: FileMetaData): boolean {
  const flat = parquetSchema(metadata).children.every(({ children }) => children.length === 0);
  const columns = metadata.row_groups.flatMap((group) => group.columns);
  return flat || columns.every((column) => column.offset_index_offset !== undefined);
}

async function readSlice(
  file: AsyncBuffer,
  metadata: FileMetaData,
  { start: rowStart, end: rowEnd }: Slice,
): Promise<readonly Columns[]> {
  const options = { file, metadata, rowStart, rowEnd, compressors, geoparquet: false, useOffsetIndex: true };
  const rows: readonly Columns[] = await parquetReadObjects(options);
  if (rows.length !== rowEnd - rowStart || rows.some(holdsNothing)) {
    throw new Error(`it holds fewer rows than it says between row ${rowStart} and row ${rowEnd}`);
  }
  return rows;
}

/** Where a column ends before its row group does, the rest is undefined; what the file has no value for is null. */
function holdsNothing(row: Columns): boolean {
  return Object.values(row).every((value) => value === undefined);
}

/**
 * As JSON has it: numbers for 64-bit integers, text for dates, and nothing for null: Parquet gives every row and struct
 * all columns.
 */
function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, toJson);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== null && part !== undefined);
  return Object.fromEntries(entries.map(([name, part]) => [name, toJson(part)]));
}

function groupTooLarge({ maxGroupBytes }: DecodeLimits): Error {
  return new Error(
    `a row group with lists or structs is of more than ${maxGroupBytes} bytes or ${MAX_ROWS.group} rows, ` +
      'which is too much to decode at once; write the file with smaller row groups, or with a page index',
  );
}
