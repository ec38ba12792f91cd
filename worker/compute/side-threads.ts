import { Worker } from 'node:worker_threads';
import { BLOCK_SIZE, type Range } from '../parameters/layout.js';
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

/** The work of a share takes seconds at most. */
const PATIENCE_MS = 600_000;

const COMPLAINT_BYTES = 1024;

/** Threads that work on a range of the flat space together with the one that calls, which waits for all of them. */
export class SideThreads {
  private readonly threads: Worker[] = [];

  /** @param count the calling thread included; the others start when they are first needed */
  constructor(private readonly count: number) {}

  /**
   * Does `workOf` each of some pieces that make up `range`, cut on the block grid.
   * @throws Error where it failed on some thread
   */
  share(range: Range, workOf: (piece: Range) => readonly PartWork[]): void {
    const pieces = cut(range, this.count);
    const others = pieces.slice(1).map(workOf);
    const outcome = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
    outcome[Outcome.open] = others.length;
    const complaint = new Uint8Array(new SharedArrayBuffer(COMPLAINT_BYTES));
    others.forEach((work, index) =>
      this.thread(index).postMessage({ work, outcome, complaint } satisfies Share),
    );
    for (const piece of pieces.slice(0, 1)) workOf(piece).forEach(perform);
    for (let open = others.length; open > 0; open = Atomics.load(outcome, Outcome.open)) {
      if (Atomics.wait(outcome, Outcome.open, open, PATIENCE_MS) === 'timed-out')
        throw new Error(`${open} threads did not end their share of an update`);
    }
    if (Atomics.load(outcome, Outcome.failed) > 0)
      throw new Error(`a share of an update failed: ${textOf(complaint)}`);
  }

  private thread(index: number): Worker {
    return (this.threads[index] ??= startThread());
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

/** At most `count` pieces, as even as they come. */
function cut({ start, end }: Range, count: number): Range[] {
  const blocks = (end - start) / BLOCK_SIZE;
  const pieces = Math.max(1, Math.min(count, Math.floor((end - start) / LEAST_SHARE)));
  const edge = (index: number) => start + Math.floor((blocks * index) / pieces) * BLOCK_SIZE;
  return Array.from({ length: pieces }, (_, index) => ({ start: edge(index), end: edge(index + 1) }));
}
