import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, isSystemError, RunError } from '../../lib/errors.js';
import { sizeOf } from '../../lib/file-size.js';
import { syncDirectory } from '../../lib/sync-directory.js';
import { Turns } from './turns.js';
import { EMPTY_SHA256, type Upload } from './upload.js';

/** Space that uploads leave on the disk: a coordinator whose journal finds none ends, and its runs with it. */
const KEEP_FREE_BYTES = 64 * 2 ** 20;

/** Bytes that are read and hashed at once: the other clients wait that long. */
const READ_BYTES = 2 ** 20;

/**
 * Files by their content, in a directory of their own:
 *
 *     incoming/<sha256>  one that is not complete; its length is what is held of it
 *     blobs/<sha256>     a complete one: verified, on the disk, and never changed again
 *
 * A coordinator may be killed at any moment: what lies there is what it holds when it is started again. Clients that send
 * the same file at the same time help each other.
 */
export class UploadStore {
  readonly #root: string;
  readonly #keepFreeBytes: number;
  readonly #turns = new Turns();

  constructor(root: string, { keepFreeBytes = KEEP_FREE_BYTES } = {}) {
    this.#root = root;
    this.#keepFreeBytes = keepFreeBytes;
  }

  /**
   * Bytes that are held of a file; its size where it is complete.
   * @throws ConfigError where the file has another size; RunError where the disk cannot be read.
   */
  held(upload: Upload): Promise<number> {
    return this.#turns.take(upload.sha256, () => this.#orRunError(upload, () => this.#held(upload)));
  }

  /**
   * Appends to a file what follows what is held of it; a chunk for another place changes nothing. Returns what is held
   * now. At the upload's size it is complete.
   *
   * @throws ConfigError where the content is not what its hash says: nothing of it is held any more; or where there is
   *   more of it than its size. RunError where the disk does not take it: what was held before still is.
   */
  put(upload: Upload, offset: number, data: Uint8Array): Promise<number> {
    return this.#turns.take(upload.sha256, () =>
      this.#orRunError(upload, async () => {
        const held = await this.#held(upload);
        if (offset !== held || held === upload.size) return held;
        await this.#append(upload, held, data);
        const now = held + data.length;
        if (now < upload.size || (await this.#complete(upload))) return now;
        throw new ConfigError(
          `the content of the upload ${upload.sha256} is not what its hash says, and nothing of it is kept: ` +
            'the file has changed while it was sent; send it again',
        );
      }),
    );
  }

  /** Whether a file is complete. */
  async has(sha256: string): Promise<boolean> {
    return sha256 === EMPTY_SHA256 || (await sizeOf(this.blob(sha256))) !== null;
  }

  /** Where a complete file lies. */
  blob(sha256: string): string {
    return join(this.#root, 'blobs', sha256);
  }

  async #held(upload: Upload): Promise<number> {
    if (upload.size === 0) return 0;
    const complete = await sizeOf(this.blob(upload.sha256));
    if (complete === upload.size) return complete;
    if (complete !== null)
      throw new ConfigError(`the upload ${upload.sha256} has ${complete} bytes, not ${upload.size}`);
    const incoming = (await sizeOf(this.#incoming(upload))) ?? 0;
    if (incoming < upload.size) return incoming;
    // The coordinator was killed before it had verified the last chunk, or someone was wrong about the size.
    return incoming === upload.size && (await this.#complete(upload)) ? incoming : this.#discard(upload);
  }

  async #append(upload: Upload, held: number, data: Uint8Array): Promise<void> {
    if (data.length > upload.size - held)
      throw new ConfigError(`the upload ${upload.sha256} has more than its ${upload.size} bytes`);
    await makeDirectory(this.#root);
    await makeDirectory(join(this.#root, 'incoming'));
    await this.#requireSpace(data.length);
    const handle = await open(this.#incoming(upload), 'a');
    try {
      await handle.appendFile(data);
    } catch (error) {
      await handle.truncate(held);
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** Makes a blob of what is held, once it is on the disk. False where its content is wrong: it is removed then. */
  async #complete(upload: Upload): Promise<boolean> {
    const incoming = this.#incoming(upload);
    if ((await hashOf(incoming)) !== upload.sha256) {
      await this.#discard(upload);
      return false;
    }
    // Open for reading: it is so already where the coordinator was killed at this point before.
    const handle = await open(incoming, 'r');
    try {
      // Runs read it under other names: none of them may write it by mistake.
      await handle.chmod(0o444);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const blob = this.blob(upload.sha256);
    await makeDirectory(dirname(blob));
    await rename(incoming, blob);
    await syncDirectory(dirname(blob));
    return true;
  }

  async #discard(upload: Upload): Promise<0> {
    await rm(this.#incoming(upload), { force: true });
    return 0;
  }

  async #requireSpace(bytes: number): Promise<void> {
    const { bavail, bsize, blocks } = await statfs(this.#root);
    // Some network file systems tell nothing.
    if (blocks === 0 || bavail * bsize - bytes >= this.#keepFreeBytes) return;
    const mebibytes = Math.floor((bavail * bsize) / 2 ** 20);
    throw new RunError(
      `the disk of ${this.#root} has only ${mebibytes} MiB free, which the coordinator needs for its journal: ` +
        'make space there and send the rest',
    );
  }

  #incoming({ sha256 }: Upload): string {
    return join(this.#root, 'incoming', sha256);
  }

  async #orRunError<Result>(upload: Upload, body: () => Promise<Result>): Promise<Result> {
    try {
      return await body();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new RunError(
        `the upload ${upload.sha256} cannot be kept in ${this.#root} (${error.message}): see that its disk has free space`,
      );
    }
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  const content: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: READ_BYTES });
  for await (const part of content) hash.update(part);
  return hash.digest('hex');
}

async function makeDirectory(directory: string): Promise<void> {
  const isNew = (await mkdir(directory, { recursive: true })) !== undefined;
  if (isNew) await syncDirectory(dirname(directory));
}
