import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isPinned, renderSource, type Source } from '../../lib/config/source.js';
import { isSystemError, RunError } from '../../lib/errors.js';
import { sizeOf } from '../../lib/file-size.js';
import { withLock } from '../../lib/process/lock.js';
import { syncDirectory } from '../../lib/sync-directory.js';
import { download } from './download.js';
import { persevere } from './persevere.js';
import type { Remote, RemoteFile, SourceKind } from './remote.js';

/** Makes who is asked for a source. */
export type OpenRemote = (source: Source, kind: SourceKind) => Remote;

export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** Called where another process is fetching the same. */
  readonly onWait?: () => void;
}

export interface FetchProgress {
  readonly heldBytes: number;
  readonly totalBytes: number;
}

/** Space that is left on the disk: a coordinator whose journal finds none ends, and its runs with it. */
const KEEP_FREE_BYTES = 64 * 2 ** 20;

export interface SourceStoreOptions {
  readonly keepFreeBytes?: number;
  /** As of `persevere`. Default 1 s. */
  readonly retryDelayMs?: number;
}

/**
 * What was fetched, by pinned source:
 *
 *     <name>-<digest>/content/<name>   complete: checked, on the disk, and never changed again
 *     <name>-<digest>/incoming/        what is held before; who goes on with it appends to it
 *     <name>-<digest>/lock             held by who fetches it: several processes may share the store
 */
export class SourceStore {
  readonly #root: string;
  readonly #open: OpenRemote;
  readonly #keepFreeBytes: number;
  readonly #retryDelayMs: number;

  constructor(
    root: string,
    open: OpenRemote,
    { keepFreeBytes = KEEP_FREE_BYTES, retryDelayMs = 1_000 }: SourceStoreOptions = {},
  ) {
    this.#root = root;
    this.#open = open;
    this.#keepFreeBytes = keepFreeBytes;
    this.#retryDelayMs = retryDelayMs;
  }

  /** The source as it is now. @throws ConfigError or RunError where it cannot be looked up */
  async pin(source: Source, kind: SourceKind, signal: AbortSignal): Promise<Source> {
    return isPinned(source) ? source : this.#open(source, kind).pin(signal);
  }

  /**
   * Where a pinned source lies once it has been fetched, which is done where it is not there.
   * @throws ConfigError where it is not to be had; RunError where it does not come, or the disk does not take it
   */
  async fetch(source: Source, kind: SourceKind, options: FetchOptions): Promise<string> {
    const folder = join(this.#root, keyOf(source, kind));
    const place = placeIn(folder, source);
    if (existsSync(place)) return place;
    try {
      const lock = {
        signal: options.signal,
        advice: `see that ${this.#root} can be written to, and that its file system knows locks`,
        onWait: () => options.onWait?.(),
      };
      await withLock(folder, lock, () => this.#fetchInto(folder, source, kind, options));
      return place;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new RunError(
        `${renderSource(source)} cannot be kept in ${this.#root} (${error.message}): see that its disk has free space`,
      );
    }
  }

  async #fetchInto(folder: string, source: Source, kind: SourceKind, options: FetchOptions): Promise<void> {
    const place = placeIn(folder, source);
    // Whoever held the lock before may have fetched it.
    if (existsSync(place)) return;
    const remote = this.#open(source, kind);
    const files = await persevere(() => remote.list(options.signal), {
      signal: options.signal,
      retryDelayMs: this.#retryDelayMs,
    });
    const incoming = join(folder, 'incoming');
    await mkdir(incoming, { recursive: true });
    await this.#requireSpace(source, files, incoming);
    await this.#download(files, incoming, options);
    await mkdir(dirname(place), { recursive: true });
    await rename(kind === 'file' ? join(incoming, files[0]!.name) : incoming, place);
    if (kind === 'file') await rm(incoming, { recursive: true });
    for (const directory of [dirname(place), folder, this.#root]) await syncDirectory(directory);
  }

  async #download(
    files: readonly RemoteFile[],
    incoming: string,
    { signal, onProgress }: FetchOptions,
  ): Promise<void> {
    const totalBytes = sum(files.map(({ size }) => size));
    let doneBytes = 0;
    for (const file of files) {
      const target = join(incoming, file.name);
      const onHeld = (bytes: number) => onProgress?.({ heldBytes: doneBytes + bytes, totalBytes });
      await download(file, target, { signal, onHeld, retryDelayMs: this.#retryDelayMs });
      // Runs share it: none of them may write it by mistake.
      await chmod(target, 0o444);
      doneBytes += file.size;
    }
    await syncDirectory(incoming);
  }

  async #requireSpace(source: Source, files: readonly RemoteFile[], incoming: string): Promise<void> {
    const { bavail, bsize, blocks } = await statfs(this.#root);
    const held = await Promise.all(files.map(async ({ name }) => (await sizeOf(join(incoming, name))) ?? 0));
    const missing = sum(files.map(({ size }) => size)) - sum(held);
    // Some network file systems tell nothing.
    if (missing <= 0 || blocks === 0 || bavail * bsize - missing >= this.#keepFreeBytes) return;
    throw new RunError(
      `${renderSource(source)} has ${mebibytes(missing)} more to come, and the disk of ${this.#root} has ` +
        `${mebibytes(bavail * bsize)} free: make space there`,
    );
  }
}

/** For people to find it, and for nobody to mistake it. */
function keyOf(source: Source, kind: SourceKind): string {
  const digest = createHash('sha256')
    .update(`${kind} ${renderSource(source)}`)
    .digest('hex');
  return `${nameOf(source)
    .replaceAll(/[^\w.-]/g, '_')
    .slice(0, 100)}-${digest.slice(0, 32)}`;
}

function placeIn(folder: string, source: Source): string {
  return join(folder, 'content', nameOf(source));
}

function nameOf(source: Source): string {
  if (source.kind === 's3') return basename(source.key);
  return basename(source.path === '' ? source.repository : source.path);
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
