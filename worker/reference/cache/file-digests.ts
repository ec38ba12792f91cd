import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { SharedFiles } from './shared-files.js';

/** Where what was hashed once is remembered. */
export const DIGESTS_FOLDER = 'digests';

/** Small enough that hashing a piece (a millisecond or two) does not hold up the event loop. */
const PIECE_BYTES = 2 ** 20;
/** A file that changed just now may change again within one tick of its time stamp, unseen. */
const SETTLED_MS = 2_000;
const HEX_DIGEST = /^[0-9a-f]{64}$/;
const DIGEST_LENGTH = 64;

/**
 * SHA-256 of a file's content, in hex. Gigabytes take a while, so it is remembered under all that would show a change:
 * path, size, time of modification in ns, and inode.
 */
export async function fileDigest(path: string, files: SharedFiles): Promise<string> {
  const before = await stampOf(path);
  const name = join(DIGESTS_FOLDER, sha256(before.text));
  const known = (await files.read(name, DIGEST_LENGTH + 1))?.toString('latin1') ?? '';
  if (HEX_DIGEST.test(known)) {
    await files.touch(name);
    return known;
  }
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }))
    hash.update(piece as Buffer);
  const digest = hash.digest('hex');
  const after = await stampOf(path);
  const settled = Date.now() - after.modifiedMs > SETTLED_MS;
  if (settled && after.text === before.text) await files.write(name, digest);
  return digest;
}

async function stampOf(path: string): Promise<{ text: string; modifiedMs: number }> {
  const { size, mtimeNs, mtimeMs, ino } = await stat(path, { bigint: true });
  return {
    text: JSON.stringify([resolve(path), size, mtimeNs, ino].map(String)),
    modifiedMs: Number(mtimeMs),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
