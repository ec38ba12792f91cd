import { open, stat, type FileHandle } from 'node:fs/promises';

import type { ManifestPart } from '../../lib/checkpoint/manifest.js';
import { messageOf, RunError } from '../../lib/errors.js';
import { headerLength, LENGTH_BYTES, parseHeader, type TensorEntry } from '../../lib/safetensors/header.js';
import type { Range } from '../parameters/layout.js';
import { partMetadata, PLANE_TENSORS, PLANES, type Plane } from './part-format.js';

/** Bytes read at a time: a read occupies one of the few threads that all file operations of a process share. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** One part of a checkpoint, open to be read; its header agrees with the manifest. */
export class PartFile {
  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly range: Range,
    private readonly planes: Readonly<Record<Plane, TensorEntry>>,
  ) {}

  /**
   * @param size elements of the whole flat parameter space
   * @throws RunError that names the file: missing, unreadable, or another one than the manifest says.
   */
  static async open(path: string, part: ManifestPart, size: number): Promise<PartFile> {
    const handle = await openRegularFile(path);
    try {
      return new PartFile(path, handle, part, await readHeader(handle, path, part, size));
    } catch (error) {
      await handle.close();
      throw error instanceof RunError ? error : new RunError(`${path}: ${messageOf(error)}`);
    }
  }

  /**
   * Fills `into` with the values of a plane from element `start` of the flat space on.
   *
   * @param into may lie in shared memory
   * @throws RunError if the file cannot be read to there.
   */
  async read(plane: Plane, start: number, into: Float32Array): Promise<void> {
    const bytesPerElement = Float32Array.BYTES_PER_ELEMENT;
    const length = CHUNK_BYTES / bytesPerElement;
    const position = this.planes[plane].begin + (start - this.range.start) * bytesPerElement;
    for (let done = 0; done < into.length; done += length) {
      const values = into.subarray(done, done + length);
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      await readExactly(this.handle, bytes, position + done * bytesPerElement, this.path);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Opening a pipe would wait for a writer. */
async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    if (!(await stat(path)).isFile()) throw new Error('is not a regular file');
    return await open(path, 'r');
  } catch (error) {
    throw new RunError(`${path}: cannot be opened (${messageOf(error)})`);
  }
}

/** Where each plane lies. @throws Error that says what is wrong; RunError if the file cannot be read. */
async function readHeader(
  handle: FileHandle,
  path: string,
  part: ManifestPart,
  size: number,
): Promise<Record<Plane, TensorEntry>> {
  const { size: fileBytes } = await handle.stat();
  if (fileBytes !== part.bytes) throw new Error(`has ${fileBytes} bytes, the manifest says ${part.bytes}`);
  const prefix = new Uint8Array(LENGTH_BYTES);
  await readExactly(handle, prefix, 0, path);
  const bytes = new Uint8Array(headerLength(new DataView(prefix.buffer), fileBytes));
  await readExactly(handle, bytes, LENGTH_BYTES, path);
  const { entries, metadata } = parseHeader(bytes, fileBytes);
  for (const [key, expected] of Object.entries(partMetadata(part, size))) {
    const found = metadata[key] ?? 'none';
    if (found !== expected) throw new Error(`has ${key} ${found}, the manifest says ${expected}`);
  }
  const length = part.end - part.start;
  const planes = PLANES.map((plane) => [plane, findPlane(entries, plane, length)] as const);
  return Object.fromEntries(planes) as Record<Plane, TensorEntry>;
}

function findPlane(entries: readonly TensorEntry[], plane: Plane, length: number): TensorEntry {
  const name = PLANE_TENSORS[plane];
  const entry = entries.find((tensor) => tensor.name === name);
  if (entry === undefined) throw new Error(`has no tensor ${name}`);
  const { dtype, shape } = entry;
  if (dtype !== 'F32' || shape.length !== 1 || shape[0] !== length) {
    throw new Error(`has ${name} as ${dtype} [${shape.slice(0, 8).join(', ')}], not F32 [${length}]`);
  }
  return entry;
}

/** Fills `bytes` from `position` on. */
async function readExactly(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const at = position + done;
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, at).catch((error: unknown) => {
      throw new RunError(`${path}: cannot be read at byte ${at} (${messageOf(error)})`);
    });
    if (bytesRead === 0) throw new RunError(`${path}: ends at byte ${at}; it was cut short`);
    done += bytesRead;
  }
}
