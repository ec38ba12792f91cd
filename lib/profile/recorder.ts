import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PROFILE_VARIABLE, PROFILED_SPANS, PROFILED_STEPS, type ProfiledThread, type Span } from './spans.js';

interface OpenSpan {
  readonly startMs: number;
  flops: number;
}

/** Spans that wait to be written. */
const SPANS_IN_MEMORY = 1_000;

/** What one thread does, span by span. */
class Recorder {
  private step: number | null;
  private readonly open: OpenSpan[] = [];
  private spans: Span[] = [];
  private written = 0;

  constructor(
    private readonly file: string,
    thread: ProfiledThread,
    knowsSteps: boolean,
  ) {
    this.step = knowsSteps ? 1 : null;
    appendFileSync(file, `${JSON.stringify(thread)}\n`);
  }

  begin(): void {
    this.open.push({ startMs: performance.now(), flops: 0 });
  }

  end(part: string, block: number | null): void {
    const { startMs, flops } = this.open.pop()!;
    const startUs = microseconds(startMs);
    const durationUs = microseconds(performance.now()) - startUs;
    this.spans.push({ part, block, step: this.step, startUs, durationUs, flops });
    // Nobody tells when a thread without steps ends.
    const isOutermost = this.open.length === 0 && this.step === null;
    if (isOutermost || this.spans.length >= SPANS_IN_MEMORY) this.write();
  }

  count(flops: number): void {
    const innermost = this.open.at(-1);
    if (innermost !== undefined) innermost.flops += flops;
  }

  endStep(): void {
    this.write();
    if (this.step !== null) this.step += 1;
  }

  get hasEnough(): boolean {
    return (this.step ?? 0) > PROFILED_STEPS || this.written >= PROFILED_SPANS;
  }

  private write(): void {
    appendFileSync(this.file, this.spans.map((span) => `${JSON.stringify(span)}\n`).join(''));
    this.written += this.spans.length;
    this.spans = [];
  }
}

const microseconds = (ms: number): number => Math.floor((performance.timeOrigin + ms) * 1000);

/** This thread's, while it records. */
let recorder: Recorder | null = null;

export type Recorded = Pick<ProfiledThread, 'process' | 'thread' | 'peakFlops'>;

/**
 * Records this thread from now on, where the environment asks for it.
 *
 * @param knowsSteps it tells when it has done all of a step; else it records until it ends, or has PROFILED_SPANS
 */
export function startRecording(describe: () => Recorded, { knowsSteps = true } = {}): void {
  const directory = process.env[PROFILE_VARIABLE];
  if (directory === undefined || directory === '') return;
  const thread = { ...describe(), pid: process.pid };
  mkdirSync(directory, { recursive: true });
  recorder = new Recorder(join(directory, `${thread.pid}-${thread.thread}.jsonl`), thread, knowsSteps);
}

/** Does `body`, as a span where this thread records. */
export function recorded<T>(part: string, body: () => T, block: number | null = null): T {
  const own = recorder;
  if (own === null) return body();
  own.begin();
  try {
    return body();
  } finally {
    finish(own, part, block);
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
    finish(own, part, null);
  }
}

function finish(own: Recorder, part: string, block: number | null): void {
  own.end(part, block);
  if (own.hasEnough) recorder = null;
}

/** Counts a matrix product for the span that is open: its result's shape, and how many products each element sums. */
export function countProduct(result: readonly number[], inner: number): void {
  recorder?.count(2 * result.reduce((count, size) => count * size, 1) * inner);
}

/** The thread has done all of a step; after some, it records no more. Outside of all spans. */
export function endRecordedStep(): void {
  recorder?.endStep();
  if (recorder?.hasEnough === true) recorder = null;
}
