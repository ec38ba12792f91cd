import { ConfigError } from '../../lib/errors.js';

/** How many workers all runs together may have. */
export class WorkerQuota {
  /** Infinity where all runs may go side by side; null for one run at a time, with as many as it wants. */
  readonly max: number | null;

  constructor(max: number | null) {
    this.max = max;
  }

  /** Throws a ConfigError where no run can have so many. */
  requirePossible(workers: number): void {
    if (this.isPossible(workers)) return;
    throw new ConfigError(
      `workers: ${workers} is more than the ${this.max!} of this coordinator (--max-workers); ask for at most ${this.max!}`,
    );
  }

  /** Throws a ConfigError where a run cannot have so many beside what others use. */
  requireFree(workers: number, usedByOthers: number): void {
    this.requirePossible(workers);
    if (this.max === null || usedByOthers + workers <= this.max) return;
    throw new ConfigError(
      `workers: ${workers} is too many now: ${countInUse(usedByOthers, this.max)} by other runs; ` +
        `ask for at most ${this.max - usedByOthers}, or wait until one of them has ended`,
    );
  }

  /** What a run lacks that wants so many; empty where it may have them now. */
  lack(workers: number, used: number): string {
    if (!this.isPossible(workers)) {
      return `${countWorkers(workers)}, of which there are ${this.max!} (--max-workers): resize it to at most ${this.max!}`;
    }
    if (this.max === null || used + workers <= this.max) return '';
    return `${countWorkers(workers)}: ${countInUse(used, this.max)}`;
  }

  isPossible(workers: number): boolean {
    return this.max === null || workers <= this.max;
  }
}

const countWorkers = (count: number) => (count === 1 ? '1 worker' : `${count} workers`);

const countInUse = (used: number, max: number) => `${used} of ${max} ${used === 1 ? 'is' : 'are'} in use`;
