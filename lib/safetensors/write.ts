import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

import { isSystemError, RunError } from '../errors.js';
import { DTYPE_BITS } from './dtype.js';
import { narrowToBfloat16 } from './float-bits.js';
import { LENGTH_BYTES } from './header.js';

const CHUNK_BYTES = 4 * 2 ** 20;
/** The data start on a multiple of this, so that a reader may map them. */
const ALIGNMENT_BYTES = 8;

/** A tensor to write. `values` is called once, when its turn comes, so that not all need to be in memory. */
export interface TensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major, one element per element of the shape. */
  values(): Float32Array;
}

export interface WriteOptions {
  /** What to store; BF16 is rounded to the nearest, ties to even. */
  readonly dtype: 'F32' | 'BF16';
  /** Free text about the file. `transformers` wants `{ format: 'pt' }`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Sees the file's bytes in order, piece by piece, as they are written: a checksum, say. */
  readonly observe?: (bytes: Uint8Array) => void;
}

type Sink = (bytes: Uint8Array) => void;

/**
 * Writes a safetensors file with the tensors in the given order. The file appears complete and durable at `path`, or not
 * at all: it is written beside it under a temporary name, which a failure removes.
 *
 * @throws RunError if the file cannot be written (a full disk, say).
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  options: WriteOptions,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const header = encodeHeader(tensors, options);
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      const sink: Sink = (bytes) => {
        writeFully(descriptor, bytes);
        options.observe?.(bytes);
      };
      sink(header);
      for (const tensor of tensors) writeTensor(sink, tensor, options.dtype);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw isSystemError(error) ? new RunError(`${path}: cannot be written (${error.message})`) : error;
  }
}

function encodeHeader(tensors: readonly TensorSource[], { dtype, metadata }: WriteOptions): Uint8Array {
  const entries = new Map<string, unknown>([['__metadata__', metadata]]);
  let offset = 0;
  for (const { name, shape } of tensors) {
    if (entries.has(name)) throw new Error(`two tensors are called ${name}`);
    const end = offset + (sizeOf(shape) * DTYPE_BITS[dtype]) / 8;
    entries.set(name, { dtype, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const header = Buffer.alloc(LENGTH_BYTES + length, ' ');
  header.writeBigUInt64LE(BigInt(length), 0);
  json.copy(header, LENGTH_BYTES);
  return header;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function writeTensor(sink: Sink, tensor: TensorSource, dtype: WriteOptions['dtype']): void {
  const values = tensor.values();
  const size = sizeOf(tensor.shape);
  if (values.length !== size)
    throw new Error(`${tensor.name} has ${values.length} values, its shape says ${size}`);
  if (dtype === 'F32') writeFloat32(sink, values);
  else writeBfloat16(sink, new Uint32Array(values.buffer, values.byteOffset, values.length));
}

function writeFloat32(sink: Sink, values: Float32Array): void {
  const length = CHUNK_BYTES / Float32Array.BYTES_PER_ELEMENT;
  // A view of all bytes at once would end at 4 GiB.
  for (let start = 0; start < values.length; start += length) {
    const part = values.subarray(start, start + length);
    sink(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
}

function writeBfloat16(sink: Sink, bits: Uint32Array): void {
  const chunk = new Uint16Array(Math.min(bits.length, CHUNK_BYTES / Uint16Array.BYTES_PER_ELEMENT));
  for (let start = 0; start < bits.length; start += chunk.length) {
    const part = bits.subarray(start, start + chunk.length);
    narrowToBfloat16(part, chunk);
    sink(new Uint8Array(chunk.buffer, 0, part.length * Uint16Array.BYTES_PER_ELEMENT));
  }
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done);
}

/** The new name itself must survive a power failure. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
