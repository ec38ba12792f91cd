import { z } from 'zod';

import { messageOf } from '../errors.js';
import { DTYPE_BITS, type Dtype } from './dtype.js';
import { parseStrictJson } from './json.js';
import { oneLine, quote } from '../text.js';

/** What a file says about one of its tensors. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Elements: the product of `shape`. */
  readonly size: number;
}

/** A tensor and where its bytes lie: [begin, end) from the start of the file. */
export interface TensorEntry extends TensorInfo {
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** By the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  /** Free text about the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The header's length stands in front of it, as an unsigned 64-bit integer. */
export const LENGTH_BYTES = 8;
/** As in the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Header → tensor → its shape. */
const HEADER_DEPTH = 3;

const METADATA = '__metadata__';
const wholeNumber = z.int().nonnegative();
const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(DTYPE_BITS) as [Dtype, ...Dtype[]]),
  // The dimensions are checked one by one below: zod would collect a complaint about each of millions.
  shape: z.array(z.unknown()),
  data_offsets: z.tuple([wholeNumber, wholeNumber]),
});

/**
 * Checks the header's length against the file before anything is allocated for it.
 *
 * @param prefix the file's first 8 bytes
 * @throws Error that says what is wrong, without the file's name.
 */
export function headerLength(prefix: DataView, fileBytes: number): number {
  const length = prefix.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new Error(
      `claims a header of ${length.toString()} bytes, more than the ${MAX_HEADER_BYTES} allowed`,
    );
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw new Error(
      `ends inside its header (${fileBytes} bytes, the header alone takes ${length.toString()})`,
    );
  }
  return Number(length);
}

/**
 * What a header says. Its tensors cover the rest of the file without a gap or an overlap, each as long as its shape and
 * element type say.
 *
 * @throws Error that says what is wrong, without the file's name.
 */
export function parseHeader(header: Uint8Array, fileBytes: number): Header {
  const dataStart = LENGTH_BYTES + header.length;
  let json: unknown;
  try {
    json = parseStrictJson(header, HEADER_DEPTH);
  } catch (error) {
    throw new Error(`has a header that ${messageOf(error)}`, { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error('has a header that is not a JSON object');
  }
  const entries: TensorEntry[] = [];
  let metadata: Header['metadata'] = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA) metadata = parseMetadata(value);
    else entries.push(parseEntry(name, value, dataStart));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(entries, dataStart, fileBytes);
  return { entries, metadata };
}

function parseMetadata(value: unknown): Header['metadata'] {
  if (!isTextMap(value)) throw new Error(`has a ${METADATA} that does not map text to text`);
  return value;
}

function isTextMap(value: unknown): value is Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}

function parseEntry(name: string, value: unknown, dataStart: number): TensorEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new Error(`has a bad tensor ${quote(name)}: ${oneLine([...path.map(String), message].join(': '))}`);
  }
  const { dtype, data_offsets: offsets } = parsed.data;
  const shape = checkDimensions(name, parsed.data.shape);
  const size = shape.reduce((product, dimension) => {
    if (!Number.isSafeInteger(product * dimension)) {
      throw new Error(`has a tensor ${quote(name)} whose shape is too large (${shapeText(shape)})`);
    }
    return product * dimension;
  }, 1);
  const byteLength = offsets[1] - offsets[0];
  if (byteLength !== (size * DTYPE_BITS[dtype]) / 8) {
    throw new Error(
      `has a tensor ${quote(name)} of ${byteLength} bytes (data_offsets ${offsets.join('..')}), ` +
        `but ${dtype} ${shapeText(shape)} takes ${(size * DTYPE_BITS[dtype]) / 8}`,
    );
  }
  return { name, dtype, shape, size, begin: dataStart + offsets[0], end: dataStart + offsets[1] };
}

function checkDimensions(name: string, shape: readonly unknown[]): readonly number[] {
  return shape.map((dimension) => {
    const parsed = wholeNumber.safeParse(dimension);
    if (!parsed.success) {
      throw new Error(`has a tensor ${quote(name)} whose shape holds other things than whole numbers`);
    }
    return parsed.data;
  });
}

/** At most a few dimensions of a shape that may have millions. */
function shapeText(shape: readonly number[]): string {
  return shape.length > 8 ? `[${shape.slice(0, 8).join(', ')}, …]` : `[${shape.join(', ')}]`;
}

function checkCover(entries: readonly TensorEntry[], dataStart: number, fileBytes: number): void {
  let covered = dataStart;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      const what = begin < covered ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new Error(`has a tensor ${quote(name)} that ${what}`);
    }
    covered = end;
  }
  if (covered > fileBytes) {
    throw new Error(`is cut short: ${fileBytes} bytes, its header describes ${covered}`);
  }
  if (covered < fileBytes) {
    throw new Error(`has ${fileBytes - covered} bytes at its end that no tensor covers`);
  }
}
