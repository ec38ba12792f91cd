import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { encodeManifest, MANIFEST_FILE, type ManifestPart } from '../../lib/checkpoint/manifest.js';
import { messageOf, RunError } from '../../lib/errors.js';
import { syncDirectory } from '../../lib/sync-directory.js';
import {
  compareIds,
  directoryName,
  isTemporaryName,
  parseDirectoryName,
  temporaryName,
  type CheckpointId,
} from './names.js';
import { checkPartSize, verifyCheckpoint } from './verify.js';

/** One member's part, as the member reports it. */
export interface FinishedPart extends Readonly<ManifestPart> {
  /** Elements of the whole flat parameter space. */
  readonly size: number;
}

export interface FinishCheckpoint extends CheckpointId {
  /** Steps up to it that changed the weights. */
  readonly updates: number;
  /** In any order. */
  readonly parts: readonly FinishedPart[];
}

export interface NewestSound {
  readonly found: { readonly directory: string; readonly step: number; readonly updates: number } | null;
  /** Newer ones that are not sound, newest first; each reason names the file. */
  readonly refused: readonly { readonly directory: string; readonly reason: string }[];
}

/**
 * The checkpoints of one run, in `checkpoints/` of its output directory. Workers write the parts into a directory with a
 * temporary name; it gets its own name when all of it is on the disk. So whatever has such a name was complete once, and
 * a checksum shows whether it still is.
 */
export class CheckpointStore {
  readonly #root: string;
  readonly #keep: number;
  /** Directories that newestSound found damaged. */
  readonly #refused = new Set<string>();

  /** @param keep how many sound checkpoints stay, the newest ones; at least 1 */
  constructor(runOutputDir: string, keep: number) {
    this.#root = resolve(runOutputDir, 'checkpoints');
    this.#keep = keep;
  }

  /** Makes the directory that the members write their parts into, and returns its path. @throws RunError if it cannot. */
  async begin(id: CheckpointId): Promise<string> {
    const begun = join(this.#root, temporaryName(id));
    try {
      const isNew = (await mkdir(this.#root, { recursive: true })) !== undefined;
      if (isNew) await syncDirectory(dirname(this.#root));
      await mkdir(begun);
      return begun;
    } catch (error) {
      throw cannotBeWritten(this.#directoryOf(id), error);
    }
  }

  /**
   * Completes what `begin` began once all parts are in, and removes the checkpoints that are too many then. Replaces a
   * checkpoint of the same step.
   *
   * @param begun what `begin` returned for the same stage and step
   * @returns where it is now, and how many bytes it has
   * @throws RunError that says why it cannot be completed: a part is missing or has another length than its writer says,
   *   the parts do not make up the whole, the disk is full: nothing of it stays behind then. Or that an old checkpoint
   *   cannot be removed: then the new one stands.
   */
  async finish(
    begun: string,
    checkpoint: FinishCheckpoint,
  ): Promise<{ readonly directory: string; readonly bytes: number }> {
    this.#checkBegun(begun);
    const directory = this.#directoryOf(checkpoint);
    let bytes: number;
    try {
      bytes = await complete(begun, checkpoint);
      await this.#discard(checkpoint);
      await rename(begun, directory);
      await syncDirectory(this.#root);
    } catch (error) {
      await this.abandon(begun);
      throw cannotBeWritten(directory, error);
    }
    await this.#prune(checkpoint);
    return { directory, bytes };
  }

  /** Removes what `begin` began. A worker that is late and still writes into it fails. @throws RunError if it cannot. */
  async abandon(begun: string): Promise<void> {
    this.#checkBegun(begun);
    await remove(begun);
  }

  /**
   * The newest checkpoint of a stage that is still as it was written. Reads it to its end, and those that it refuses on
   * the way, not the older ones.
   *
   * @param atMostStep later ones are passed over: the journal's last committed step
   * @throws RunError if the checkpoints cannot be listed.
   */
  async newestSound({ stage, atMostStep }: { stage: number; atMostStep: number }): Promise<NewestSound> {
    const refused: { directory: string; reason: string }[] = [];
    const candidates = await this.#newestFirst();
    for (const id of candidates.filter((each) => each.stage === stage && each.step <= atMostStep)) {
      const directory = this.#directoryOf(id);
      try {
        const { updates } = await verifyCheckpoint(directory, id);
        return { found: { directory, step: id.step, updates }, refused };
      } catch (error) {
        if (!(error instanceof RunError)) throw error;
        this.#refused.add(directory);
        refused.push({ directory, reason: error.message });
      }
    }
    return { found: null, refused };
  }

  /** Removes what a killed coordinator had begun. Call it before `begin`. @throws RunError if it cannot. */
  async removeLeftovers(): Promise<void> {
    const leftovers = (await this.#names()).filter(isTemporaryName);
    for (const name of leftovers) await remove(join(this.#root, name));
  }

  /**
   * Counts back from the one just written. Refused ones do not count. A later one can only be left from before the run
   * went back behind it: it is replaced when training comes there again, or goes when training has passed it.
   */
  async #prune(justWritten: CheckpointId): Promise<void> {
    const upToIt = (await this.#newestFirst()).filter((id) => compareIds(id, justWritten) <= 0);
    const counted = upToIt.filter((id) => !this.#refused.has(this.#directoryOf(id)));
    const oldestKept = counted.at(this.#keep - 1);
    if (oldestKept === undefined) return;
    for (const id of upToIt.filter((each) => compareIds(each, oldestKept) < 0)) await this.#discard(id);
  }

  /** Under a temporary name first: a directory with its own name is never without a part. */
  async #discard(id: CheckpointId): Promise<void> {
    const directory = this.#directoryOf(id);
    if (!existsSync(directory)) return;
    const aside = join(this.#root, temporaryName(id));
    await rename(directory, aside);
    this.#refused.delete(directory);
    await remove(aside);
  }

  async #newestFirst(): Promise<CheckpointId[]> {
    const ids = (await this.#names()).map(parseDirectoryName).filter((id) => id !== null);
    return ids.sort((a, b) => compareIds(b, a));
  }

  async #names(): Promise<string[]> {
    try {
      return existsSync(this.#root) ? await readdir(this.#root) : [];
    } catch (error) {
      throw new RunError(`${this.#root}: cannot be listed (${messageOf(error)})`);
    }
  }

  #directoryOf(id: CheckpointId): string {
    return join(this.#root, directoryName(id));
  }

  /** Only what `begin` made is ever completed or removed. */
  #checkBegun(begun: string): void {
    if (dirname(begun) !== this.#root || !isTemporaryName(basename(begun))) {
      throw new Error(`${begun} was not made by begin`);
    }
  }
}

/** Checks the parts and writes the manifest; returns the bytes of both. */
async function complete(begun: string, { stage, step, updates, parts }: FinishCheckpoint): Promise<number> {
  const size = parts[0]?.size ?? 0;
  const other = parts.find((part) => part.size !== size);
  if (other !== undefined) {
    throw new Error(`${other.file} is of a space of ${other.size} elements, ${parts[0]!.file} of ${size}`);
  }
  const text = encodeManifest({
    stage,
    step,
    updates,
    size,
    parts: parts.map(({ file, start, end, bytes, sha256 }) => ({ file, start, end, bytes, sha256 })),
    writtenAt: new Date().toISOString(),
  });
  for (const part of parts) await checkPartSize(begun, part);
  await writeDurably(join(begun, MANIFEST_FILE), text);
  await syncDirectory(begun);
  return parts.reduce((sum, { bytes }) => sum + bytes, Buffer.byteLength(text));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Tries again where a worker that is late makes a file in between. */
async function remove(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  } catch (error) {
    throw new RunError(`${directory}: cannot be removed (${messageOf(error)})`);
  }
}

function cannotBeWritten(directory: string, error: unknown): RunError {
  return new RunError(`${directory}: cannot be written (${messageOf(error)})`, { cause: error });
}
