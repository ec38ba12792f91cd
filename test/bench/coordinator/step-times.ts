import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/** How long the steps of a run take, read from its metrics.jsonl while it is written: the coordinator is not asked. */
export class StepTimes {
  readonly #file: string;
  readonly #buffer = Buffer.alloc(64 * 1024);
  #descriptor: number | undefined;
  #rest = '';
  #times: number[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** Of the next steps from now on, in milliseconds. */
  async next(count: number): Promise<number[]> {
    this.#read();
    this.#times = [];
    while (this.#times.length < count) {
      await delay(POLL_MS);
      this.#read();
    }
    return this.#times.slice(0, count);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  #read(): void {
    if (this.#descriptor === undefined && !existsSync(this.#file)) return;
    this.#descriptor ??= openSync(this.#file, 'r');
    for (;;) {
      const bytes = readSync(this.#descriptor, this.#buffer);
      if (bytes === 0) return;
      const lines = `${this.#rest}${this.#buffer.toString('utf8', 0, bytes)}`.split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) {
        const { step_time_s: seconds } = JSON.parse(line) as { step_time_s: number };
        this.#times.push(seconds * 1000);
      }
    }
  }
}
