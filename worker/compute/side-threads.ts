import { Worker } from 'node:worker_threads';
import { evenPiece, type Range } from '../parameters/layout.js';
import { perform, type PartWork } from './part-work.js';

/** A thread's share of some work. What it tells of its end is in shared memory: who waits for it reads no messages. */
export interface Share {
  readonly work: readonly PartWork[];
  /** See `Outcome`. */
  readonly outcome: Int32Array;
  /** Why a thread failed, as UTF-8. */
  readonly complaint: Uint8Array;
}

/** Places in the outcome: how many threads are still at work, and whether one has failed. */
export const Outcome = { open: 0, failed: 1 } as const;

/** Elements that are worth a thread's while: some milliseconds of AdamW. */
const LEAST_SHARE = 2 ** 18;

/** The memory is busy with fewer. */
const MOST_THREADS = 8;

/** The work of a share takes seconds at most. */
const PATIENCE_MS = 120_000;

const COMPLAINT_BYTES = 1024;

/** Threads that work on a range of the flat space together with the one that calls, which waits for all of them. */
export class SideThreads {
  private readonly threads: Worker[] = [];
  private readonly count: number;

  /**
   * @param count the calling thread included; the others start when they are first needed
   * @param leastShare elements below which a piece is not cut
   */
  constructor(
    count: number,
    private readonly leastShare = LEAST_SHARE,
  ) {
    this.count = Math.min(count, MOST_THREADS);
  }

  /**
   * Does `workOf` each of some pieces that make up `range`, cut on the block grid.
   * @throws Error where it failed on some thread
   */
  share(range: Range, workOf: (piece: Range) => readonly PartWork[]): void {
    const [own, ...others] = cut(range, this.count, this.leastShare).map(workOf);
    const outcome = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
    outcome[Outcome.open] = others.length;
    const complaint = new Uint8Array(new SharedArrayBuffer(COMPLAINT_BYTES));
    others.forEach((work, index) =>
      this.thread(index).postMessage({ work, outcome, complaint } satisfies Share),
    );
    try {
      own?.forEach(perform);
    } finally {
      waitFor(outcome);
    }
    if (Atomics.load(outcome, Outcome.failed) > 0)
      throw new Error(`a share of an update failed: ${textOf(complaint)}`);
  }

  private thread(index: number): Worker {
    return (this.threads[index] ??= startThread());
  }
}

/** Until all have ended their shares. @throws Error where they do not */
function waitFor(outcome: Int32Array): void {
  for (;;) {
    const open = Atomics.load(outcome, Outcome.open);
    if (open === 0) return;
    if (Atomics.wait(outcome, Outcome.open, open, PATIENCE_MS) === 'timed-out')
      throw new Error(`${open} threads did not end their share of an update: they may have died`);
  }
}

function startThread(): Worker {
  const thread = new Worker(new URL('./side-thread.js', import.meta.url));
  thread.unref();
  return thread;
}

/** Up to the first zero. A decoder takes no shared memory. */
const textOf = (bytes: Uint8Array) =>
  new TextDecoder().decode(Uint8Array.from(bytes.subarray(0, bytes.indexOf(0))));

/** At most `count` pieces, and at least one. */
function cut(range: Range, count: number, leastShare: number): Range[] {
  const pieces = Math.max(1, Math.min(count, Math.floor((range.end - range.start) / leastShare)));
  return Array.from({ length: pieces }, (_, index) => evenPiece(range, index, pieces));
}
