import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

import { ConfigError, messageOf } from '../errors.js';
import { isFloatDtype, type FloatDtype } from './dtype.js';
import { widenBfloat16, widenFloat16 } from './float-bits.js';
import { headerLength, LENGTH_BYTES, parseHeader, type TensorEntry } from './header.js';
import { quote } from '../text.js';

/** Bytes read at a time: bounds the memory that a read takes beside its target. */
const CHUNK_BYTES = 4 * 2 ** 20;

const widen = { BF16: widenBfloat16, F16: widenFloat16 };

/** One open safetensors file, its header checked. Little-endian machines only, as TensorFlow's all are. */
export class SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorEntry>;

  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    entries: readonly TensorEntry[],
  ) {
    this.tensors = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /** @throws ConfigError if the file cannot be read or is not a sound safetensors file. */
  static open(path: string): SafetensorsFile {
    const descriptor = openRegularFile(path);
    try {
      return new SafetensorsFile(path, descriptor, readHeader(descriptor, path));
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /**
   * Fills `into` with a tensor's values in row-major order, as float32 (exact for float32, bfloat16 and float16).
   *
   * @param into one element per element of the tensor; may lie in shared memory
   * @throws ConfigError if there is no such tensor, if it holds no floats, or if the file cannot be read to its end.
   */
  read(name: string, into: Float32Array): void {
    const entry = this.tensors.get(name);
    if (entry === undefined) throw new ConfigError(`${this.path}: has no tensor ${quote(name)}`);
    if (into.length !== entry.size) {
      throw new RangeError(`${name} has ${entry.size} elements, the target ${into.length}`);
    }
    if (!isFloatDtype(entry.dtype)) {
      throw new ConfigError(
        `${this.path}: tensor ${quote(name)} is ${entry.dtype}; weights must be F32, BF16 or F16, convert the model`,
      );
    }
    if (entry.dtype === 'F32') this.readFloat32(entry, into);
    else this.readWidened(entry, entry.dtype, into);
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private readFloat32(entry: TensorEntry, into: Float32Array): void {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      readExactly(
        this.descriptor,
        bytes.subarray(start, start + CHUNK_BYTES),
        entry.begin + start,
        this.path,
      );
    }
  }

  private readWidened(entry: TensorEntry, dtype: Exclude<FloatDtype, 'F32'>, into: Float32Array): void {
    const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
    const chunk = new Uint16Array(Math.min(bits.length, CHUNK_BYTES / Uint16Array.BYTES_PER_ELEMENT));
    for (let start = 0; start < bits.length; start += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, bits.length - start));
      const bytes = new Uint8Array(part.buffer, 0, part.byteLength);
      readExactly(this.descriptor, bytes, entry.begin + start * Uint16Array.BYTES_PER_ELEMENT, this.path);
      widen[dtype](part, bits.subarray(start, start + part.length));
    }
  }
}

/** Opening a pipe would wait for a writer: only regular files (and links to them, as in Hugging Face's cache). */
function openRegularFile(path: string): number {
  try {
    if (!statSync(path).isFile()) throw new Error('is not a regular file');
    return openSync(path, 'r');
  } catch (error) {
    throw new ConfigError(`${path}: cannot be opened (${messageOf(error)})`);
  }
}

function readHeader(descriptor: number, path: string): readonly TensorEntry[] {
  const fileBytes = fstatSync(descriptor).size;
  if (fileBytes < LENGTH_BYTES) {
    throw new ConfigError(`${path}: is no safetensors file (${fileBytes} bytes)`);
  }
  const prefix = new Uint8Array(LENGTH_BYTES);
  readExactly(descriptor, prefix, 0, path);
  try {
    const header = new Uint8Array(headerLength(new DataView(prefix.buffer), fileBytes));
    readExactly(descriptor, header, LENGTH_BYTES, path);
    return parseHeader(header, fileBytes).entries;
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${path}: ${messageOf(error)}`);
  }
}

/** Fills `bytes` from `position` on. */
function readExactly(descriptor: number, bytes: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < bytes.length;) {
    let count: number;
    try {
      count = readSync(descriptor, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      throw new ConfigError(`${path}: cannot be read at byte ${position + done} (${messageOf(error)})`);
    }
    if (count === 0) {
      throw new ConfigError(`${path}: ends at byte ${position + done}; it was cut short while being read`);
    }
    done += count;
  }
}
