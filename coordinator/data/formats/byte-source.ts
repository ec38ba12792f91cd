import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ConfigError, messageOf } from '../../../lib/errors.js';

export type Bytes = AsyncIterable<Buffer>;

/**
 * The bytes of a file, decompressed where they are gzip's. A pipe will do, as it is read once, from its start.
 * @throws ConfigError for a file that cannot be read or decompressed.
 */
export async function openBytes(file: string): Promise<Bytes> {
  const { head, bytes } = await peek(readBytes(file), GZIP.length);
  return head.subarray(0, GZIP.length).equals(GZIP) ? gunzip(file, bytes) : bytes;
}

const GZIP = Buffer.of(0x1f, 0x8b);

/** Reads ahead at least `size` bytes, or to the end; `bytes` are all, from the start. */
export async function peek(bytes: Bytes, size: number): Promise<{ head: Buffer; bytes: Bytes }> {
  const rest = bytes[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < size) {
    const next = await rest.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return { head, bytes: joined(head, rest) };
}

/** Lets go of a file that is not to be read on. */
export async function close(bytes: Bytes): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  // A generator that was never started has nothing to clean up behind it.
  await iterator.next();
  await iterator.return?.();
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  try {
    if (head.length > 0) yield head;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

async function* readBytes(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* createReadStream(file) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${messageOf(error)}`);
  }
}

async function* gunzip(file: string, bytes: Bytes): AsyncGenerator<Buffer, void, undefined> {
  const gunzipped = createGunzip();
  // Errors of either stream come out of the iteration below; a reader that stops early closes both.
  pipeline(Readable.from(bytes), gunzipped, () => undefined);
  try {
    yield* gunzipped as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`cannot decompress ${file}: ${messageOf(error)}`);
  }
}
