import { ConfigError } from '../../../lib/errors.js';

/** Everything that is wrong, so that the user learns of all of it at once. */
export class Problems {
  readonly #lines: string[] = [];
  readonly #warnings: string[] = [];

  /** @param skipsBadRows bad rows are left out and counted, instead of being wrong */
  constructor(readonly skipsBadRows: boolean) {}

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** What may stay as it is, and should be known. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** What two checks find alike is told once. */
  add(line: string): void {
    if (!this.#lines.includes(line)) this.#lines.push(line);
  }

  warn(line: string): void {
    this.#warnings.push(line);
  }

  /**
   * What `check` returns; null, and what is wrong is noted, where it finds something.
   * @param place what is checked, for messages that do not name it themselves
   */
  async during<T>(place: string, check: () => T | Promise<T>): Promise<T | null> {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const line of error.message.split('\n')) this.add(`${place}: ${line}`);
      return null;
    }
  }
}
