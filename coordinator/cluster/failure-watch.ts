import { rootCause, type Evidence } from './root-cause.js';

export interface WatchedWorker {
  readonly workerId: string;
  readonly logFile: string | null;
}

/** Gathers evidence of failed workers and reports the root cause, once. */
export class FailureWatch {
  readonly #evidence: Map<string, Evidence>;
  readonly #settleMs: number;
  readonly #onFailure: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `settleMs`: how long to wait, after the first sign of a failure, for the one that explains it. */
  constructor(workers: readonly WatchedWorker[], settleMs: number, onFailure: (error: Error) => void) {
    const unsuspected = { stream: 'none', report: null, exit: null, silentMs: null } as const;
    this.#evidence = new Map(workers.map((worker) => [worker.workerId, { ...worker, ...unsuspected }]));
    this.#settleMs = settleMs;
    this.#onFailure = onFailure;
  }

  note(workerId: string, news: Partial<Evidence>): void {
    this.#evidence.set(workerId, { ...this.#evidence.get(workerId)!, ...news });
    if (this.#closed || news.stream === 'open') return;
    this.#conclude(false);
    this.#timer ??= setTimeout(() => this.#conclude(true), this.#settleMs);
  }

  /** From now on workers may go: the run is over. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #conclude(settled: boolean): void {
    const cause = rootCause([...this.#evidence.values()], { settled });
    if (cause === null || this.#closed) return;
    this.close();
    this.#onFailure(cause);
  }
}
