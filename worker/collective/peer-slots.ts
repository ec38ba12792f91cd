import { FrameError, type FrameContent } from './frame.js';
import { Inbox } from './inbox.js';
import type { Outbox } from './outbox.js';
import type { Placement } from './slots.js';

/** What this worker and one peer of its host hand each other without the sockets: see `slots.ts`. */
export class PeerSlots {
  private inbox: Inbox | null = null;

  /**
   * @param outbox null for a peer of another host
   * @param tell sends the peer a frame, ahead of those that wait for free slots
   */
  constructor(
    private readonly outbox: Outbox | null,
    private readonly tell: (content: Pick<FrameContent, 'kind' | 'payload'>) => void,
  ) {}

  /** Nothing more can be placed before the peer has freed a slot. */
  get areFull(): boolean {
    return this.outbox?.isFull ?? false;
  }

  /** All that was ever placed for the peer. */
  get placedBytes(): number {
    return this.outbox?.placedBytes ?? 0;
  }

  /** Tells the peer, who has joined, where this worker's outbox is. */
  offer(): void {
    if (this.outbox) this.tell({ kind: 'offer', payload: this.outbox.offer });
  }

  /** @throws FrameError where the peer has offered before, or what it offers is no outbox */
  accept(offer: Uint8Array): void {
    if (this.inbox) throw new FrameError('a second offer');
    this.inbox = Inbox.find(offer);
    this.freeTaken();
  }

  /** @returns null where the payload must travel in a frame */
  place(payload: Uint8Array): Placement | null {
    const slot = this.outbox?.place(payload) ?? null;
    return slot === null ? null : { slot, byteLength: payload.byteLength };
  }

  /**
   * Copies what the peer has placed to where it goes, of equal length.
   * @throws FrameError where it cannot be there
   */
  read(placement: Placement, into: Uint8Array): void {
    if (!this.inbox) throw new FrameError('values in an outbox that was not offered');
    this.inbox.read(placement, into);
    this.freeTaken();
  }

  /** @throws FrameError where the slots were not the peer's to free */
  release(slots: Uint8Array): void {
    if (!this.outbox) throw new FrameError('free slots that were not offered');
    this.outbox.release(slots);
  }

  close(): void {
    this.inbox?.close();
    this.outbox?.close();
  }

  private freeTaken(): void {
    const slots = this.inbox?.slotsToFree();
    if (slots) this.tell({ kind: 'free', payload: slots });
  }
}
