import { readFileSync } from 'node:fs';
import { descendantsOf } from '../../integration/process-tree.js';

export const SAMPLE_EVERY_MS = 1000;

/** By how much the resident memory must pass its last peak for the shares to be looked at again. */
const NEWS = 1.01;

/**
 * The most that a process and all below it took together, in bytes, looked at now and then until `stop`; 0 before the
 * first look. A page that several processes share counts once (PSS). The system walks through all pages to tell that,
 * 30 ms for each GiB, which the process feels: it is asked only where the resident memory, which costs nothing, has grown.
 */
export class PeakMemory {
  #peakResident = 0;
  #peak = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => this.#look([pid, ...descendantsOf(pid)]), SAMPLE_EVERY_MS);
  }

  get peakBytes(): number {
    return this.#peak;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(pids: readonly number[]): void {
    const resident = sumOver(pids, 'status', 'VmRSS');
    if (resident < NEWS * this.#peakResident) return;
    this.#peakResident = resident;
    this.#peak = Math.max(this.#peak, sumOver(pids, 'smaps_rollup', 'Pss'));
  }
}

/** Processes that have ended count as 0. */
function sumOver(pids: readonly number[], file: 'status' | 'smaps_rollup', field: string): number {
  return pids.reduce((sum, pid) => {
    try {
      return sum + bytesOf(readFileSync(`/proc/${pid}/${file}`, 'utf8'), field);
    } catch {
      return sum; // It ended between the listing and here.
    }
  }, 0);
}

/** @param text of a file of /proc that gives kB by field; a process that is ending has no field of memory: 0 */
export function bytesOf(text: string, field: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${field}:`));
  return line === undefined ? 0 : Number.parseInt(line.slice(field.length + 1), 10) * 1024;
}
