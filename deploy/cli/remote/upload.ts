import type { Client } from '@grpc/grpc-js';
import { open, type FileHandle } from 'node:fs/promises';
import { ConfigError, isSystemError, RunError } from '../../../lib/errors.js';
import { findUploads, putChunk } from '../runs/run-client.js';
import { hasChanged, type HashedFile } from './inputs.js';
import type { Patience } from './patience.js';

/** Bytes that are sent at once: enough that the way back and forth costs little, and a bar that moves. */
const CHUNK_BYTES = 2 ** 21;

/** How often in a row the coordinator may not hold more of a file than before. */
const MOST_IN_VAIN = 5;

export interface Transfer {
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Told how many bytes the coordinator holds of all files. */
  readonly onHeld: (bytes: number) => void;
}

/** A content that the coordinator is to have. */
export interface Upload {
  readonly file: HashedFile;
  /** Bytes that the coordinator holds of it. */
  readonly held: number;
}

/** Each content once, with what the coordinator holds of it already. */
export async function planUploads(
  client: Client,
  files: readonly HashedFile[],
  signal: AbortSignal,
): Promise<Upload[]> {
  const contents = [...new Map(files.map((file) => [file.sha256, file])).values()];
  const held = await findUploads(client, contents.map(uploadOf), { signal });
  return contents.map((file, i) => ({ file, held: held[i]! }));
}

/**
 * Sends what the coordinator does not hold yet. What it holds of a file it keeps, whatever happens: the next time, only
 * the rest is sent.
 * @throws RunError where it cannot take more, or a file changes meanwhile; the signal's reason
 */
export async function sendUploads(
  client: Client,
  uploads: readonly Upload[],
  { patience, signal, onHeld }: Transfer,
): Promise<void> {
  let all = heldBytes(uploads);
  for (const { file, held } of uploads) {
    const others = all - held;
    const sender = new FileSender(client, file, signal, (now) => onHeld(others + now));
    if (held < file.size) await patience.call(() => sender.send());
    all = others + file.size;
  }
}

export const heldBytes = (uploads: readonly Upload[]) => uploads.reduce((sum, { held }) => sum + held, 0);

const uploadOf = ({ sha256, size }: HashedFile) => ({ sha256, size });

class FileSender {
  private readonly buffer = Buffer.allocUnsafe(CHUNK_BYTES);

  constructor(
    private readonly client: Client,
    private readonly file: HashedFile,
    private readonly signal: AbortSignal,
    private readonly onHeld: (bytes: number) => void,
  ) {}

  /** Sends from where the coordinator is to the end. */
  async send(): Promise<void> {
    await this.requireUnchanged();
    const handle = await this.orUserError(() => open(this.file.path, 'r'));
    try {
      await this.sendFrom(handle);
    } catch (error) {
      // The coordinator finds that the content is not what was promised: mostly, it has changed.
      if (error instanceof ConfigError) await this.requireUnchanged();
      throw error;
    } finally {
      await handle.close();
    }
  }

  private async sendFrom(handle: FileHandle): Promise<void> {
    const { client, file, signal } = this;
    let [held] = await findUploads(client, [uploadOf(file)], { signal });
    let inVain = 0;
    while (held! < file.size) {
      this.onHeld(held!);
      const data = await this.read(handle, held!);
      const now = await putChunk(client, { upload: uploadOf(file), offset: held!, data }, { signal });
      inVain = now > held! ? 0 : inVain + 1;
      if (inVain > MOST_IN_VAIN) throw new RunError(`the coordinator takes no more of ${file.path}`);
      held = now;
    }
    this.onHeld(file.size);
  }

  private async read(handle: FileHandle, position: number): Promise<Buffer> {
    const length = Math.min(CHUNK_BYTES, this.file.size - position);
    const { bytesRead } = await this.orUserError(() => handle.read(this.buffer, 0, length, position));
    if (bytesRead < length) throw changed(this.file);
    return this.buffer.subarray(0, length);
  }

  private async requireUnchanged(): Promise<void> {
    if (await this.orUserError(() => hasChanged(this.file))) throw changed(this.file);
  }

  private async orUserError<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new ConfigError(`${this.file.path} cannot be read (${error.message})`);
    }
  }
}

function changed({ path }: HashedFile): RunError {
  return new RunError(`${path} has changed while it was sent: submit again when it is complete`);
}
