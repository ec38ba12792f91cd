import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Dealer } from 'zeromq';

import { messageOf } from '../../lib/errors.js';
import type { Message } from './frame.js';
import type { Traffic } from './traffic.js';

/** Payloads from here on take the event loop's time: others get a turn after each. */
export const LONG_PAYLOAD_BYTES = 2 ** 16;

/** This worker's connection to one peer, over which it only sends. */
export class PeerLink {
  /** The peer said goodbye: it will go, and that is no failure. */
  left = false;
  private readonly queue: Iterable<Message>[] = [];
  private sending = false;
  private closed = false;

  /** `onLost` is called, at most once, with what happened to the connection. */
  constructor(
    readonly rank: number,
    readonly endpoint: string,
    private readonly dealer: Dealer,
    private readonly traffic: Traffic,
    private readonly onLost: (link: PeerLink, what: string) => void,
  ) {}

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
  send(messages: Iterable<Message>): void {
    this.queue.push(messages);
    if (!this.sending) void this.drainQueue();
  }

  /** Drops what was not sent yet. */
  close(): void {
    this.closed = true;
    this.queue.length = 0;
    this.dealer.close();
  }

  /** A socket takes one send at a time. */
  private async drainQueue(): Promise<void> {
    this.sending = true;
    try {
      for (let messages = this.queue.shift(); messages; messages = this.queue.shift()) {
        for (const message of messages) {
          if (this.isClosed()) return;
          await this.dealer.send(message);
          this.traffic.sentBytes += message[0].byteLength + message[1].byteLength;
          if (message[1].byteLength >= LONG_PAYLOAD_BYTES) await nextTurn();
        }
      }
    } catch (error) {
      this.lose(`could not be sent to: ${messageOf(error)}`);
    } finally {
      this.sending = false;
    }
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
