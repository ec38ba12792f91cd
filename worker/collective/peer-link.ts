import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Dealer } from 'zeromq';

import { messageOf } from '../../lib/errors.js';
import { encodeFrame, type Message, type Sender } from './frame.js';
import type { Outbox } from './outbox.js';
import { PeerSlots } from './peer-slots.js';
import type { Placement } from './slots.js';
import type { Traffic } from './traffic.js';

/** Payloads from here on take the event loop's time: others get a turn after each. */
export const LONG_PAYLOAD_BYTES = 2 ** 16;

/** A peer, and how to reach it. */
export interface Peer {
  readonly rank: number;
  readonly endpoint: string;
  readonly dealer: Dealer;
  /** Null where it is on another host. */
  readonly outbox: Outbox | null;
}

/** This worker's connection to one peer, over which it only sends. */
export class PeerLink {
  readonly rank: number;
  readonly endpoint: string;
  readonly slots: PeerSlots;
  /** The peer said goodbye: it will go, and that is no failure. */
  left = false;
  private readonly dealer: Dealer;
  private readonly urgent: Message[] = [];
  private readonly queue: Iterator<Message, undefined>[] = [];
  private sending = false;
  private closed = false;

  /** `onLost` is called, at most once, with what happened to the connection. */
  constructor(
    sender: Sender,
    { rank, endpoint, dealer, outbox }: Peer,
    private readonly traffic: Traffic,
    private readonly onLost: (link: PeerLink, what: string) => void,
  ) {
    this.rank = rank;
    this.endpoint = endpoint;
    this.dealer = dealer;
    this.slots = new PeerSlots(outbox, (content) => {
      this.urgent.push(encodeFrame(sender, content));
      this.wake();
    });
  }

  /** How errors call the peer. */
  get name(): string {
    return `rank ${this.rank} (${this.endpoint})`;
  }

  /** @throws where the endpoint is none. */
  connect(): void {
    void this.watch();
    this.dealer.connect(this.endpoint);
  }

  /**
   * Sends `messages` after those of earlier calls, each made when it is its turn. Payloads are not copied: they may be
   * written again once the peer has acknowledged them.
   */
  send(messages: Iterable<Message, undefined>): void {
    this.queue.push(messages[Symbol.iterator]());
    this.wake();
  }

  /** @returns where the peer finds the payload; null where it must travel in a frame */
  place(payload: Uint8Array): Placement | null {
    return payload.byteLength < LONG_PAYLOAD_BYTES ? null : this.slots.place(payload);
  }

  /**
   * Copies what the peer has placed to where it goes, of equal length.
   * @throws FrameError where it cannot be there
   */
  read(placement: Placement, into: Uint8Array): void {
    this.slots.read(placement, into);
    this.traffic.receivedBytes += into.byteLength;
  }

  /**
   * The peer has freed slots: what waited for them goes on.
   * @throws FrameError where they were not its to free
   */
  release(slots: Uint8Array): void {
    this.slots.release(slots);
    this.wake();
  }

  /** Drops what was not sent yet. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dealer.close();
    this.slots.close();
  }

  private wake(): void {
    if (!this.sending) void this.drain();
  }

  /** A socket takes one send at a time. */
  private async drain(): Promise<void> {
    this.sending = true;
    try {
      while (!this.isClosed()) {
        const placedBefore = this.slots.placedBytes;
        const message = this.nextMessage();
        if (!message) break;
        const payloadBytes = message[1].byteLength + this.slots.placedBytes - placedBefore;
        await this.dealer.send(message);
        this.traffic.sentBytes += message[0].byteLength + payloadBytes;
        if (payloadBytes >= LONG_PAYLOAD_BYTES) await nextTurn();
      }
    } catch (error) {
      this.lose(`could not be sent to: ${messageOf(error)}`);
    } finally {
      this.sending = false;
    }
  }

  /** What waits for free slots must not hold up the word that slots are free, on which the peer may wait. */
  private nextMessage(): Message | undefined {
    const urgent = this.urgent.shift();
    if (urgent) return urgent;
    for (let first = this.queue[0]; first && !this.slots.areFull; first = this.queue[0]) {
      const next = first.next();
      if (next.done !== true) return next.value;
      this.queue.shift();
    }
    return undefined;
  }

  /** A Dealer reconnects by itself, but what was under way is lost: for us a connection breaks once and for all. */
  private async watch(): Promise<void> {
    const { events } = this.dealer;
    try {
      while (!events.closed) {
        const event = await events.receive();
        if (event.type === 'disconnect') this.lose('closed its connection');
        else if (event.type.startsWith('handshake:error')) this.lose('is not a worker of this run');
      }
    } catch (error) {
      // Closing the socket ends a pending receive with an error.
      this.lose(`cannot be watched: ${messageOf(error)}`);
    }
  }

  private lose(what: string): void {
    if (!this.isClosed()) this.onLost(this, what);
  }

  /** A method, because `closed` changes while others are awaited. */
  private isClosed(): boolean {
    return this.closed;
  }
}
