import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import type { RawRow } from './raw-row.js';

/** Read at once of columns that can be read in parts: as many bytes, decoded, and as many rows at the most. */
const SLICE = { bytes: 2 ** 26, rows: 2 ** 16 };
/** Lists and structs are decoded a row group at a time: the largest group. (pyarrow writes up to 2^20 rows.) */
const NESTED_GROUP = { bytes: 2 ** 30, rows: 2 ** 21 };

/**
 * Reads a Parquet file by row groups, and those in slices where no column is nested.
 * @throws ConfigError for a file that is not sound.
 */
export async function* readParquet(file: string): AsyncGenerator<RawRow, void, undefined> {
  const { buffer, metadata } = await open(file);
  let row = 0;
  for (const slice of planSlices(file, metadata)) {
    for (const value of await readSlice(file, buffer, metadata, slice)) {
      yield { row, where: `${file}[${row}]`, parse: () => toJson(value) };
      row += 1;
    }
  }
}

async function open(file: string): Promise<{ buffer: AsyncBuffer; metadata: FileMetaData }> {
  try {
    const buffer = await asyncBufferFromFile(file);
    return { buffer, metadata: await parquetMetadataAsync(buffer, { geoparquet: false }) };
  } catch (error) {
    throw unsound(file, error);
  }
}

interface Slice {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

function* planSlices(file: string, metadata: FileMetaData): Generator<Slice, void, undefined> {
  const nested = parquetSchema(metadata).children.some(({ children }) => children.length > 0);
  let groupStart = 0;
  for (const { num_rows: numRows, total_byte_size: totalBytes } of metadata.row_groups) {
    const rows = Number(numRows);
    const bytes = Number(totalBytes);
    if (nested && (bytes > NESTED_GROUP.bytes || rows > NESTED_GROUP.rows)) throw groupTooLarge(file);
    const fitting = Math.ceil((rows * SLICE.bytes) / Math.max(bytes, 1));
    const sliceRows = nested ? rows : Math.max(1, Math.min(fitting, SLICE.rows));
    const groupEnd = groupStart + rows;
    for (let start = groupStart; start < groupEnd; start += sliceRows) {
      yield { start, end: Math.min(start + sliceRows, groupEnd) };
    }
    groupStart = groupEnd;
  }
}

async function readSlice(
  file: string,
  buffer: AsyncBuffer,
  metadata: FileMetaData,
  { start, end }: Slice,
): Promise<Readonly<Record<string, unknown>>[]> {
  let rows: Readonly<Record<string, unknown>>[];
  try {
    const range = { rowStart: start, rowEnd: end };
    rows = await parquetReadObjects({ file: buffer, metadata, compressors, geoparquet: false, ...range });
  } catch (error) {
    throw unsound(file, error);
  }
  if (rows.length !== end - start || rows.some(holdsNothing)) {
    throw unsound(file, new Error(`fewer rows than it says between row ${start} and row ${end}`));
  }
  return rows;
}

/** Where a column ends before its row group does, the rest is undefined; what the file has no value for is null. */
function holdsNothing(row: Readonly<Record<string, unknown>>): boolean {
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

function groupTooLarge(file: string): ConfigError {
  return new ConfigError(
    `${file}: lists or structs in a row group of more than ${NESTED_GROUP.bytes} bytes or ${NESTED_GROUP.rows} rows, ` +
      'which is too much to decode at once: write the file with smaller row groups',
  );
}

function unsound(file: string, error: unknown): ConfigError {
  return new ConfigError(`cannot read ${file} as Parquet: ${messageOf(error)}`);
}
