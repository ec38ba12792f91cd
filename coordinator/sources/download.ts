import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, open, rm } from 'node:fs/promises';
import { RunError } from '../../lib/errors.js';
import { sizeOf } from '../../lib/file-size.js';
import { quote } from '../../lib/text.js';
import { persevere } from './persevere.js';
import { TransientError, type Checksum, type RemoteFile } from './remote.js';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Told how many bytes of the file are held, after each piece. */
  readonly onHeld: (bytes: number) => void;
  readonly retryDelayMs: number;
}

/** Bytes that are read and hashed at once. */
const READ_BYTES = 2 ** 20;

/**
 * Fetches a file to `target`, going on after what is there of it, and makes sure that it is on the disk and what its source
 * says. What breaks off is tried again; what is held of it stays for the next time.
 * @throws ConfigError where it is not to be had; RunError where it does not come, comes damaged, or the disk does not take it
 */
export async function download(file: RemoteFile, target: string, options: DownloadOptions): Promise<void> {
  await fetchAll(file, target, options);
  if (await isSound(file, target)) return;
  // It may be a matter of what was there before.
  await rm(target);
  await fetchAll(file, target, options);
  if (await isSound(file, target)) return;
  await rm(target);
  throw new RunError(`${quote(file.name)} came twice with other bytes than its source says: try again later`);
}

function fetchAll(file: RemoteFile, target: string, options: DownloadOptions): Promise<void> {
  const { signal, retryDelayMs } = options;
  const progress = async () => (await sizeOf(target)) ?? 0;
  return persevere(() => append(file, target, options), { signal, retryDelayMs, progress });
}

/** Appends what is missing, once. */
async function append(file: RemoteFile, target: string, { signal, onHeld }: DownloadOptions): Promise<void> {
  // It is for reading alone where it was complete, and others were not, when a process ended.
  if (existsSync(target)) await chmod(target, 0o644);
  const handle = await open(target, 'a');
  try {
    let { size: held } = await handle.stat();
    if (held > file.size) await handle.truncate((held = 0));
    onHeld(held);
    if (held < file.size) {
      for await (const piece of await file.read(held, signal)) {
        held += piece.length;
        if (held > file.size)
          throw new TransientError(`${quote(file.name)} has more bytes than its source says`);
        await handle.appendFile(piece);
        onHeld(held);
      }
    }
    if (held < file.size) throw new TransientError(`${quote(file.name)} ended before all its bytes had come`);
    await handle.sync();
  } catch (error) {
    // All bytes, and an error: it is about the bytes.
    if (error instanceof TransientError && (await handle.stat()).size === file.size) await handle.truncate(0);
    throw error;
  } finally {
    await handle.close();
  }
}

async function isSound({ size, checksum }: RemoteFile, target: string): Promise<boolean> {
  return checksum === null || (await digestOf(target, size, checksum)) === checksum.digest;
}

async function digestOf(file: string, size: number, { algorithm }: Checksum): Promise<string> {
  const hash = createHash(algorithm === 'git' ? 'sha1' : algorithm);
  if (algorithm === 'git') hash.update(`blob ${size}\0`);
  const content: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: READ_BYTES });
  for await (const part of content) hash.update(part);
  return hash.digest('hex');
}
