import { RunError } from '../../lib/errors.js';
import type { Source } from '../../lib/config/source.js';

/** What is wanted of a source: one file, or the files of a model. */
export type SourceKind = 'file' | 'directory';

/** How a source says what the bytes of a file are. `git` is the SHA-1 of a blob, `blob SIZE\0` and the bytes. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'git' | 'md5';
  /** In hex. */
  readonly digest: string;
}

/** A file as its source tells of it. */
export interface RemoteFile {
  /** Its own, without a folder. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Null where the source tells none. */
  readonly checksum: Checksum | null;
  /**
   * Its bytes from an offset on.
   * @throws ConfigError where they are not to be had; TransientError, while they are read too
   */
  read(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** One source, as whoever has it shows it. */
export interface Remote {
  /** The same source as it is now: what is written so means the same files for ever. */
  pin(signal: AbortSignal): Promise<Source>;
  /** The files of a pinned source, by name. @throws ConfigError where they are not, or no longer, those that it means */
  list(signal: AbortSignal): Promise<readonly RemoteFile[]>;
}

/** Went wrong on the way; the same may do well a moment later. */
export class TransientError extends RunError {}

/** The same bytes; whatever breaks them off is a TransientError, whoever's the connection is. */
export async function* onTheWay(
  what: string,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes;
  } catch (error) {
    signal.throwIfAborted();
    throw new TransientError(`${what} broke off (${reasonOf(error)})`);
  }
}

/** Node's `fetch` says what went wrong in the cause of its error. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return 'code' in cause && cause.message === '' ? String(cause.code) : cause.message;
}

/** Of a model or an adapter only what is read of it; a repository may hold the same weights in several formats. */
export function isOfModel(name: string): boolean {
  if (name.endsWith('.safetensors')) return !name.startsWith('consolidated');
  return /\.(json|txt|jinja|model)$/.test(name);
}
