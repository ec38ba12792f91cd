import { createHash } from 'node:crypto';
import { constants, createReadStream, type Stats } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { requirePermitted } from '../../../coordinator/service/path-policy.js';
import { runPaths, type RunPath } from '../../../lib/config/paths.js';
import { isSource } from '../../../lib/config/source.js';
import type { RunConfig } from '../../../lib/config/types.js';
import { ConfigError, isSystemError } from '../../../lib/errors.js';

/** A path that a run reads, once, whichever stages name it. */
export type Input =
  | {
      /** The coordinator sees it under the same path. */
      readonly kind: 'shared';
      readonly path: string;
    }
  | {
      /** The coordinator fetches it. */
      readonly kind: 'source';
      readonly path: string;
    }
  | {
      readonly kind: 'local';
      readonly path: string;
      readonly files: readonly LocalFile[];
    };

export type LocalInput = Extract<Input, { readonly kind: 'local' }>;

export interface LocalFile {
  /** Absolute. */
  readonly path: string;
  /** Within the directory that is uploaded; empty for a file that is uploaded itself. */
  readonly name: string;
  /** As it was when it was looked at; bytes. */
  readonly size: number;
  readonly mtimeMs: number;
}

/** A file with its SHA-256, in hex. */
export interface HashedFile extends LocalFile {
  readonly sha256: string;
}

/**
 * What a run reads, and how: a path under one of the coordinator's shared roots is used in place, by its links too; of
 * everything else the files are listed.
 * @throws ConfigError for a path that cannot be read
 */
export async function listInputs(run: RunConfig, sharedRoots: readonly string[]): Promise<Input[]> {
  const inputs = new Map<string, Input>();
  for (const each of runPaths(run)) {
    if (inputs.has(each.path)) continue;
    inputs.set(each.path, await inputOf(each, sharedRoots));
  }
  return [...inputs.values()];
}

async function inputOf(each: RunPath, sharedRoots: readonly string[]): Promise<Input> {
  const { path } = each;
  if (isSource(path)) return { kind: 'source', path };
  if (await isShared(each, sharedRoots)) return { kind: 'shared', path };
  return { kind: 'local', path, files: await filesOf(each) };
}

async function isShared(path: RunPath, roots: readonly string[]): Promise<boolean> {
  if (roots.length === 0) return false;
  try {
    await requirePermitted(path, { kind: 'shared', roots }, '');
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

/** A file itself, or the visible files directly in a directory: that is all of a model that is read. */
async function filesOf({ key, kind, path }: RunPath): Promise<LocalFile[]> {
  try {
    if (kind === 'file') return [await readable(path, '')];
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    const files: LocalFile[] = [];
    for (const name of names) {
      if ((await stat(join(path, name))).isFile()) files.push(await readable(join(path, name), name));
    }
    if (files.length > 0) return files;
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${key}: ${error.message}`);
    if (!isSystemError(error)) throw error;
    throw new ConfigError(`${key}: ${path} cannot be read (${error.message})`);
  }
  throw new ConfigError(`${key}: ${path} holds no files; give the directory of a model or an adapter`);
}

async function readable(path: string, name: string): Promise<LocalFile> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new ConfigError(`${path} is not a regular file, and cannot be uploaded`);
  await access(path, constants.R_OK);
  return { path, name, ...stateOfFile(stats) };
}

const stateOfFile = ({ size, mtimeMs }: Stats) => ({ size, mtimeMs });

/** Whether a file is no longer as it was listed. */
export async function hasChanged({ path, size, mtimeMs }: LocalFile): Promise<boolean> {
  const now = stateOfFile(await stat(path));
  return now.size !== size || now.mtimeMs !== mtimeMs;
}

/** Bytes that are read at once. */
const readBytes = 2 ** 20;

/**
 * The hash of a file, read in pieces.
 * @param onRead told how many bytes were read, each time
 * @throws ConfigError where it cannot be read; the signal's reason
 */
export async function hashFile(
  file: LocalFile,
  onRead: (bytes: number) => void,
  signal: AbortSignal,
): Promise<HashedFile> {
  const hash = createHash('sha256');
  const content: AsyncIterable<Buffer> = createReadStream(file.path, { highWaterMark: readBytes, signal });
  try {
    for await (const part of content) {
      hash.update(part);
      onRead(part.length);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw isSystemError(error) ? new ConfigError(`${file.path} cannot be read (${error.message})`) : error;
  }
  return { ...file, sha256: hash.digest('hex') };
}
