import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';

import { hasCode, isSystemError } from '../../lib/errors.js';
import { FrameError } from './frame.js';
import { encodeOffer, OUTBOX_BYTES, SLOT_COUNT, slotPosition } from './slots.js';

/** Of the operating system's memory (tmpfs), where files are never written to a disk. */
const DIRECTORY = '/dev/shm';

const isOutOfMemory = (error: unknown) => ['ENOSPC', 'EDQUOT', 'ENOMEM'].some((code) => hasCode(error, code));

/** Where this worker lays payloads for one peer of the same host: see `slots.ts`. */
export class Outbox {
  /** All that was ever placed. */
  placedBytes = 0;
  /** What a peer needs to know. */
  readonly offer: Buffer;
  /** The one that was freed last, and is the likeliest to be in a cache, comes last. */
  private readonly free: number[] = [];
  /** Those that the peer has not spoken of: it may not have found the file. */
  private readonly unknown = new Set(Array.from({ length: SLOT_COUNT }, (_, slot) => slot));
  /** Those that the peer reads, and will free. */
  private readonly placed = new Set<number>();
  /** The system had no memory for a payload: nothing is placed any more, so that nothing waits for a slot that is lost. */
  private isOver = false;

  private constructor(private readonly file: number) {
    const secret = randomBytes(16);
    ftruncateSync(file, OUTBOX_BYTES);
    writeSync(file, secret, 0, secret.length, 0);
    this.offer = encodeOffer({ processId: process.pid, file, secret });
  }

  /** Null where the system has no memory of this kind. The file loses its name at once: nothing of it can be left behind. */
  static open(): Outbox | null {
    const path = `${DIRECTORY}/prospect-${randomUUID()}`;
    let file: number | undefined;
    try {
      file = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return new Outbox(file);
    } catch (error) {
      if (file !== undefined) closeSync(file);
      if (isSystemError(error)) return null;
      throw error;
    }
  }

  /** There will be a free slot, and there is none now. */
  get isFull(): boolean {
    return !this.isOver && this.free.length === 0 && this.placed.size > 0;
  }

  /** Copies `payload` into a free slot. @returns the slot; null where there is none, or no memory for it: then for good */
  place(payload: Uint8Array): number | null {
    const slot = this.isOver ? undefined : this.free.pop();
    if (slot === undefined) return null;
    this.isOver = !this.write(payload, slotPosition(slot));
    if (this.isOver) return null;
    this.placed.add(slot);
    this.placedBytes += payload.byteLength;
    return slot;
  }

  /**
   * The peer has read these slots, or, at first, found the file.
   * @throws FrameError where they were not the peer's to free
   */
  release(slots: Uint8Array): void {
    for (const slot of slots) {
      if (!this.placed.delete(slot) && !this.unknown.delete(slot))
        throw new FrameError(`word that slot ${slot} is free, which it did not have`);
      this.free.push(slot);
    }
  }

  close(): void {
    closeSync(this.file);
  }

  /** @returns whether there was memory for it */
  private write(payload: Uint8Array, position: number): boolean {
    try {
      for (let written = 0; written < payload.byteLength;)
        written += writeSync(this.file, payload, written, payload.byteLength - written, position + written);
      return true;
    } catch (error) {
      if (isOutOfMemory(error)) return false;
      throw error;
    }
  }
}
