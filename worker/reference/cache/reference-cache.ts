import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import type { CompletionLogps } from '../../model/completion-logps.js';
import { decodeEntry, encodeEntry, entryBytes, keyOf, type LeafRequest } from './entry.js';
import { DIGESTS_FOLDER } from './file-digests.js';
import type { SharedFiles } from './shared-files.js';

const ANSWERS_FOLDER = 'answers';
const CLOSE_PATIENCE_MS = 2_000;
const UNUSED_MS = 30 * 24 * 3_600_000;

/**
 * A frozen model's answers on disk, one small file for each leaf: they never change, so they outlive the replica and the
 * run. A cache that is cold, damaged or not there costs time and changes no bit.
 */
export class ReferenceCache {
  private readonly counts = { hits: 0, misses: 0, dropped: 0 };
  private readonly identity: Promise<string | null>;
  private readonly writing = new Set<Promise<void>>();

  /** @param identity hashing the model may take a while; a leaf that is asked for before waits for it */
  constructor(
    private readonly files: SharedFiles,
    identity: Promise<string>,
    private readonly log: Logger,
  ) {
    this.identity = identity.catch((error: unknown) => {
      log.warn({ err: error }, `answers are not kept on disk: ${messageOf(error)}`);
      return null;
    });
    this.inBackground(this.tidyUp());
  }

  /** The answers to a leaf, where they are known. */
  async find(request: LeafRequest): Promise<readonly CompletionLogps[] | null> {
    const place = await this.placeOf(request);
    const found = place === null ? null : await this.readEntry(place, request);
    this.counts[found === null ? 'misses' : 'hits']++;
    return found;
  }

  /** Keeps a leaf's answers. Nobody waits for that but `close`. */
  keep(request: LeafRequest, completions: readonly CompletionLogps[]): void {
    // The caller refuses such answers: whatever made them should be seen again.
    if (!completions.every(({ logp }) => Number.isFinite(logp))) return;
    this.inBackground(this.writeEntry(request, completions));
  }

  /** Resolves once all is written, or cannot be written soon: the model may still be hashed, or the disk hang. */
  async close(): Promise<void> {
    const patience = new AbortController();
    const expired = delay(CLOSE_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all(this.writing), expired]);
    patience.abort();
    this.log.info({ ...this.counts, directory: this.files.root }, 'answers from the cache');
  }

  private async placeOf(request: LeafRequest): Promise<{ name: string; key: Buffer } | null> {
    const identity = await this.identity;
    if (identity === null) return null;
    const key = keyOf(identity, request);
    const hex = key.toString('hex');
    return { name: join(ANSWERS_FOLDER, identity, hex.slice(0, 2), hex.slice(2)), key };
  }

  private async readEntry(
    { name, key }: { readonly name: string; readonly key: Buffer },
    request: LeafRequest,
  ): Promise<CompletionLogps[] | null> {
    // One byte more than there should be, to see an entry that is too long.
    const bytes = await this.files.read(name, entryBytes(request) + 1);
    if (bytes === null) return null;
    const completions = decodeEntry(bytes, key, request);
    if (completions === null) {
      if (this.counts.dropped++ === 0) {
        this.log.warn({ entry: name }, 'damaged cache entries are dropped and their leaves computed again');
      }
      await this.files.remove(name);
    }
    return completions;
  }

  private async writeEntry(request: LeafRequest, completions: readonly CompletionLogps[]): Promise<void> {
    const place = await this.placeOf(request);
    if (place !== null) await this.files.write(place.name, encodeEntry(place.key, request, completions));
  }

  private async tidyUp(): Promise<void> {
    const identity = await this.identity;
    if (identity !== null) await this.files.touch(join(ANSWERS_FOLDER, identity));
    await this.files.removeUnused([ANSWERS_FOLDER, DIGESTS_FOLDER], UNUSED_MS);
  }

  private inBackground(work: Promise<void>): void {
    this.writing.add(work);
    void work.finally(() => this.writing.delete(work));
  }
}
