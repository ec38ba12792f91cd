import { untilAborted } from './abort.js';

/** Messages of one sender that wait to be taken, in order. */
export class Inbox<Message> {
  readonly #waiting: Message[] = [];
  #taker: ((message: Message) => void) | undefined;

  put(message: Message): void {
    const taker = this.#taker;
    if (taker === undefined) {
      this.#waiting.push(message);
      return;
    }
    this.#taker = undefined;
    taker(message);
  }

  /** The next message. Rejects with the signal's reason once it is aborted. One taker at a time. */
  take(signal: AbortSignal): Promise<Message> {
    const message = this.#waiting.shift();
    if (message !== undefined) return Promise.resolve(message);
    return untilAborted(new Promise((resolve) => (this.#taker = resolve)), signal);
  }
}
