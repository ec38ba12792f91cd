import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import { isSystemError } from '../../lib/errors.js';
import { FrameError } from './frame.js';
import { decodeOffer, OUTBOX_BYTES, SLOT_COUNT, slotPosition, type Offer, type Placement } from './slots.js';

/** A peer's outbox for this worker, from where it is read. */
export class Inbox {
  /** Those that the peer may write, or has written. */
  private readonly granted = new Set<number>();
  private taken: number[] = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

  private constructor(private readonly file: number) {}

  /**
   * Null where the peer's file cannot be found from here: then it is on another host, or in another container.
   * @throws FrameError where `offer` is none
   */
  static find(offer: Uint8Array): Inbox | null {
    const { processId, file, secret } = decodeOffer(offer);
    const opened = openOrNull(`/proc/${processId}/fd/${file}`);
    if (opened === null) return null;
    try {
      if (isOutbox(opened, secret)) return new Inbox(opened);
    } catch (error) {
      closeSync(opened);
      throw error;
    }
    closeSync(opened);
    return null;
  }

  /**
   * Copies a payload that was placed to where it goes, of equal length.
   * @throws FrameError where it cannot be in a slot
   */
  read({ slot, byteLength }: Placement, into: Uint8Array): void {
    if (!this.granted.delete(slot)) throw new FrameError(`values in slot ${slot}, which was not free`);
    for (let read = 0; read < byteLength;) {
      const count = readSync(this.file, into, read, byteLength - read, slotPosition(slot) + read);
      if (count === 0) throw new FrameError(`values in a file that ends at ${read} bytes of ${byteLength}`);
      read += count;
    }
    this.taken.push(slot);
  }

  /** The slots that have been read, where it is time to tell the peer: half of them go in one frame. */
  slotsToFree(): Uint8Array | null {
    if (2 * this.taken.length < SLOT_COUNT) return null;
    const slots = Uint8Array.from(this.taken);
    this.taken.forEach((slot) => this.granted.add(slot));
    this.taken = [];
    return slots;
  }

  close(): void {
    closeSync(this.file);
  }
}

/** Never waits, whatever a peer may name: a pipe, say. */
function openOrNull(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function isOutbox(file: number, secret: Offer['secret']): boolean {
  const found = fstatSync(file);
  if (!found.isFile() || found.size !== OUTBOX_BYTES) return false;
  const start = Buffer.alloc(secret.length);
  return readSync(file, start, 0, start.length, 0) === start.length && start.equals(secret);
}
