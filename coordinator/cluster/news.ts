/** Tells whoever waits that something has happened. */
export class News {
  #next!: Promise<void>;
  #resolve!: () => void;

  constructor() {
    this.#renew();
  }

  /** Resolves at the next `tell`. Take it first, then look, then wait for it: nothing is missed. */
  get next(): Promise<void> {
    return this.#next;
  }

  tell(): void {
    const resolve = this.#resolve;
    this.#renew();
    resolve();
  }

  #renew(): void {
    this.#next = new Promise((resolve) => (this.#resolve = resolve));
  }
}
