import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROFILE_VARIABLE, PROFILED_STEPS, type ProfiledThread, type Span } from '../../lib/profile.js';

interface OpenSpan {
  readonly startMs: number;
  flops: number;
}

/** What one thread does, span by span. */
class Recorder {
  private step = 1;
  private readonly open: OpenSpan[] = [];
  private spans: Span[] = [];

  constructor(
    private readonly file: string,
    thread: ProfiledThread,
  ) {
    appendFileSync(file, `${JSON.stringify(thread)}\n`);
  }

  begin(): void {
    this.open.push({ startMs: performance.now(), flops: 0 });
  }

  end(part: string, block: number | null): void {
    const { startMs, flops } = this.open.pop()!;
    this.spans.push({
      part,
      block,
      step: this.step,
      startUs: (performance.timeOrigin + startMs) * 1000,
      durationUs: (performance.now() - startMs) * 1000,
      flops,
    });
  }

  count(flops: number): void {
    const innermost = this.open.at(-1);
    if (innermost !== undefined) innermost.flops += flops;
  }

  /** Writes what there is. False where enough is recorded. */
  endStep(): boolean {
    appendFileSync(this.file, this.spans.map((span) => `${JSON.stringify(span)}\n`).join(''));
    this.spans = [];
    this.step += 1;
    return this.step <= PROFILED_STEPS;
  }
}

/** This thread's, while it records. */
let recorder: Recorder | null = null;

export type Recorded = Pick<ProfiledThread, 'process' | 'thread' | 'peakFlops'>;

/** Records this thread from now on, where the environment asks for it. */
export function startRecording(describe: () => Recorded): void {
  const directory = process.env[PROFILE_VARIABLE];
  if (directory === undefined || directory === '') return;
  const thread = { ...describe(), pid: process.pid };
  mkdirSync(directory, { recursive: true });
  recorder = new Recorder(join(directory, `${thread.pid}-${thread.thread}.jsonl`), thread);
}

/** Does `body`, as a span where this thread records. */
export function recorded<T>(part: string, body: () => T, block: number | null = null): T {
  const own = recorder;
  if (own === null) return body();
  own.begin();
  try {
    return body();
  } finally {
    own.end(part, block);
  }
}

/** Waits for `work`, as a span where this thread records. Such spans follow one another. */
export async function recordedWait<T>(part: string, work: Promise<T>): Promise<T> {
  const own = recorder;
  if (own === null) return work;
  own.begin();
  try {
    return await work;
  } finally {
    own.end(part, null);
  }
}

/** Counts a matrix product for the span that is open. */
export function countFlops(flops: number): void {
  recorder?.count(flops);
}

/** The thread has done all of a step; after some, it records no more. Outside of all spans. */
export function endRecordedStep(): void {
  if (recorder !== null && !recorder.endStep()) recorder = null;
}
