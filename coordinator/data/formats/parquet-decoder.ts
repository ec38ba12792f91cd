import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
  type RowGroup,
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
 * Decodes a Parquet file, some rows at a time: slices of row groups, as flat columns can be skipped through by pages; or
 * whole ones, where there are lists or structs without the index of pages that some writers put at the end.
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
  const flat = parquetSchema(metadata).children.every(({ children }) => children.length === 0);
  let groupStart = 0;
  for (const group of metadata.row_groups) {
    const groupEnd = groupStart + Number(group.num_rows);
    const sliceRows =
      flat || isIndexed(group, limits) ? rowsInSlice(group, limits) : rowsInGroup(group, limits);
    for (let start = groupStart; start < groupEnd; start += sliceRows) {
      yield { start, end: Math.min(start + sliceRows, groupEnd) };
    }
    groupStart = groupEnd;
  }
}

/** Whether the pages of all columns can be found one by one, but for columns that are small anyway. */
function isIndexed({ columns }: RowGroup, { sliceBytes }: DecodeLimits): boolean {
  const others = columns.filter((column) => column.offset_index_offset === undefined);
  const bytes = others.map(({ meta_data: column }) => Number(column?.total_uncompressed_size ?? Infinity));
  return bytes.reduce((sum, size) => sum + size, 0) <= sliceBytes;
}

function rowsInSlice({ num_rows: rows, total_byte_size: bytes }: RowGroup, limits: DecodeLimits): number {
  const fitting = Math.floor((Number(rows) * limits.sliceBytes) / Math.max(Number(bytes), 1));
  return Math.max(1, Math.min(fitting, MAX_ROWS.slice));
}

function rowsInGroup({ num_rows: rows, total_byte_size: bytes }: RowGroup, limits: DecodeLimits): number {
  if (bytes > limits.maxGroupBytes || rows > MAX_ROWS.group) throw groupTooLarge(limits);
  return Math.max(1, Number(rows));
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
