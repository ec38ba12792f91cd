import { readFileSync } from 'node:fs';
import { descendantsOf } from '../../integration/process-tree.js';

/** Seldom: the system walks through all pages of a process to answer, which the process feels. */
export const SAMPLE_EVERY_MS = 2000;

/** The most that a process and all below it took together, in bytes, looked at now and then until `stop`; 0 before the first look. */
export class PeakMemory {
  #peak = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      const bytes = [pid, ...descendantsOf(pid)].map(proportionalBytes).reduce((sum, one) => sum + one, 0);
      this.#peak = Math.max(this.#peak, bytes);
    }, SAMPLE_EVERY_MS);
  }

  get peakBytes(): number {
    return this.#peak;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** A page that several processes share counts once, in parts (PSS). 0 for a process that has ended. */
function proportionalBytes(pid: number): number {
  try {
    return pssOf(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  } catch {
    return 0; // It ended between the listing and here.
  }
}

/** @param rollup text of /proc/PID/smaps_rollup */
export function pssOf(rollup: string): number {
  const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  if (kibibytes === undefined) throw new Error('smaps_rollup without Pss');
  return Number(kibibytes) * 1024;
}
