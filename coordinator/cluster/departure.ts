import { explain, type Evidence, type Loss } from './loss.js';

/** A worker that is going, or seems to be: gathers evidence until it is known why, or the worker is back. */
export class Departure {
  readonly workerId: string;
  /** Resolves once it is known why, or does not matter any more. */
  readonly explained: Promise<void>;
  #evidence: Evidence;
  #explain!: () => void;
  #settleTimer: NodeJS.Timeout;
  #over = false;
  readonly #onLost: (loss: Loss) => void;

  /** `onLost` is called once, unless the departure is called off. */
  constructor(workerId: string, evidence: Evidence, settleMs: number, onLost: (loss: Loss) => void) {
    this.workerId = workerId;
    this.explained = new Promise((resolve) => (this.#explain = resolve));
    this.#evidence = evidence;
    this.#onLost = onLost;
    this.#settleTimer = setTimeout(() => this.#conclude(true), settleMs);
  }

  /** The likeliest reason, by what is known now. */
  get reason(): string {
    return explain(this.#evidence, { settled: true })!.reason;
  }

  /** True as long as the worker may only have lost its connection. */
  get mayReturn(): boolean {
    const { exit, report, verdict, leaving } = this.#evidence;
    return !this.#over && exit === null && report === null && verdict === null && leaving === null;
  }

  note(news: Partial<Evidence>): void {
    this.#evidence = { ...this.#evidence, ...news };
    this.#conclude(false);
  }

  /** The worker is back, or the run is over. */
  callOff(): void {
    this.#end();
  }

  #conclude(settled: boolean): void {
    const explanation = this.#over ? null : explain(this.#evidence, { settled });
    if (explanation === null) return;
    this.#end();
    this.#onLost({ workerId: this.workerId, ...explanation });
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#settleTimer);
    this.#explain();
  }
}
