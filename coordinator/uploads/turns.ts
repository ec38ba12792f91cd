/** Lets what is asked for under one key happen one after the other, in the order in which it was asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<Result>(key: string, body: () => Promise<Result>): Promise<Result> {
    const own = this.#after(this.#last.get(key), body);
    this.#last.set(key, own);
    try {
      return await own;
    } finally {
      if (this.#last.get(key) === own) this.#last.delete(key);
    }
  }

  /** How the turn before ended is a matter of who took it. */
  async #after<Result>(before: Promise<unknown> | undefined, body: () => Promise<Result>): Promise<Result> {
    await before?.catch(() => undefined);
    return body();
  }
}
