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

  /** The next message. One taker at a time; whoever stops waiting for it stops for good. */
  take(): Promise<Message> {
    const message = this.#waiting.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => (this.#taker = resolve));
  }
}
