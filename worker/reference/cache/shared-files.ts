import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';

/** Writing a file takes milliseconds: what is older was left by a process that was killed. */
const MAX_PARTIAL_AGE_MS = 3_600_000;
const PARTIAL = 'partial';

/**
 * Small files that may be lost at any time, in a directory that several processes share. A file is complete or absent.
 * Where the directory cannot be read or written, one warning says so and work goes on without: nothing here rejects.
 */
export class SharedFiles {
  private warned = false;
  private writable = true;

  constructor(
    readonly root: string,
    private readonly log: Logger,
  ) {}

  /** A file's first bytes, at most `maxBytes` of them; null where there is none. A directory in its place is empty. */
  async read(name: string, maxBytes: number): Promise<Buffer | null> {
    try {
      const file = await open(join(this.root, name));
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EISDIR') return Buffer.alloc(0);
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.warn('cannot be read', error);
      return null;
    }
  }

  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    if (!this.writable) return;
    const partial = join(this.root, PARTIAL, randomUUID());
    const target = join(this.root, name);
    try {
      await mkdir(dirname(partial), { recursive: true });
      await mkdir(dirname(target), { recursive: true });
      await writeFile(partial, bytes, { flag: 'wx' });
      await rename(partial, target);
    } catch (error) {
      this.writable = false;
      this.warn('cannot be written', error);
      await rm(partial, { force: true }).catch(() => undefined);
    }
  }

  /** Removes a file or a directory. One that cannot be removed stays. */
  async remove(name: string): Promise<void> {
    await rm(join(this.root, name), { recursive: true, force: true }).catch(() => undefined);
  }

  /** Marks a file or a directory, which need not be there, as used now. */
  async touch(name: string): Promise<void> {
    const now = new Date();
    await utimes(join(this.root, name), now, now).catch(() => undefined);
  }

  /** Removes what killed processes left half-written, and of these folders what nobody touched for so long. */
  async removeUnused(folders: readonly string[], maxAgeMs: number): Promise<void> {
    await this.removeOlder(PARTIAL, MAX_PARTIAL_AGE_MS);
    for (const folder of folders) await this.removeOlder(folder, maxAgeMs);
  }

  private async removeOlder(folder: string, maxAgeMs: number): Promise<void> {
    const names = await readdir(join(this.root, folder)).catch(() => []);
    for (const name of names) {
      const path = join(folder, name);
      const found = await stat(join(this.root, path)).catch(() => null);
      if (found !== null && Date.now() - found.mtimeMs > maxAgeMs) await this.remove(path);
    }
  }

  private warn(what: string, error: unknown): void {
    if (this.warned) return;
    this.warned = true;
    this.log.warn({ directory: this.root }, `the cache ${what}, so it is done without (${messageOf(error)})`);
  }
}
