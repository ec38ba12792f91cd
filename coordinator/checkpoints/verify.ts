import { createHash } from 'node:crypto';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import {
  MANIFEST_FILE,
  readManifest,
  type Manifest,
  type ManifestPart,
} from '../../lib/checkpoint/manifest.js';
import { messageOf, RunError } from '../../lib/errors.js';
import type { CheckpointId } from './names.js';

/** Bytes read and hashed at a time: the event loop waits for one such piece, a few milliseconds. */
const CHUNK_BYTES = 2 * 2 ** 20;

/**
 * Reads a complete checkpoint to its end and compares it with its manifest, byte for byte by their checksums.
 *
 * @throws RunError that names the file and what is wrong with it.
 */
export async function verifyCheckpoint(directory: string, { stage, step }: CheckpointId): Promise<Manifest> {
  const manifest = await readManifest(directory);
  if (manifest.stage !== stage || manifest.step !== step) {
    throw new RunError(
      `${join(directory, MANIFEST_FILE)}: is of stage ${manifest.stage}, step ${manifest.step}, ` +
        'which is not what its directory is called',
    );
  }
  for (const part of manifest.parts) await checkPartSize(directory, part);
  for (const part of manifest.parts) await checkPartContents(directory, part);
  return manifest;
}

/** @throws RunError if the file is missing or has another length. */
export async function checkPartSize(
  directory: string,
  { file, bytes }: Pick<ManifestPart, 'file' | 'bytes'>,
): Promise<void> {
  const path = join(directory, file);
  const found = await stat(path).catch((error: unknown) => {
    throw new RunError(`${path}: cannot be read (${messageOf(error)})`);
  });
  if (!found.isFile()) throw new RunError(`${path}: is not a regular file`);
  if (found.size !== bytes) throw new RunError(`${path}: has ${found.size} bytes instead of ${bytes}`);
}

async function checkPartContents(directory: string, { file, sha256 }: ManifestPart): Promise<void> {
  const path = join(directory, file);
  let found: string;
  try {
    found = await sha256OfFile(path);
  } catch (error) {
    throw new RunError(`${path}: cannot be read (${messageOf(error)})`);
  }
  if (found !== sha256) throw new RunError(`${path}: is damaged: its contents do not match their checksum`);
}

async function sha256OfFile(path: string): Promise<string> {
  const handle = await open(path, 'r');
  try {
    return await sha256Of(handle);
  } finally {
    await handle.close();
  }
}

async function sha256Of(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, bytesRead));
  }
}
