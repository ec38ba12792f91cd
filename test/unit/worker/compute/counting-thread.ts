import { ConfigError } from '../../../../lib/errors.js';
import { serveEngine, type Engine } from '../../../../worker/compute/engine-thread.js';

export interface OpenCounting {
  readonly start: number;
}

/** A small engine for the tests of EngineThread. */
export class CountingEngine implements Engine {
  private count: number;
  private static disposed = 0;

  constructor(
    { start }: OpenCounting,
    private readonly emit: (reached: number) => void,
  ) {
    if (start < 0) throw new ConfigError('start is negative; use 0 or more');
    this.count = start;
  }

  add(amount: number): number {
    this.count += amount;
    return this.count;
  }

  /** Emits every number on the way. */
  countTo(end: number): number {
    while (this.count < end) this.emit(++this.count);
    return this.count;
  }

  /** Emits `value`, and then fails. */
  emitAndFail(value: number): void {
    this.emit(value);
    throw new Error('a defect after an event');
  }

  fill(memory: SharedArrayBuffer, value: number): void {
    new Float32Array(memory).fill(value);
  }

  fail(): void {
    throw new Error('a defect');
  }

  hang(): void {
    for (;;);
  }

  disposedBefore(): number {
    return CountingEngine.disposed;
  }

  dispose(): void {
    CountingEngine.disposed++;
  }
}

serveEngine((options: OpenCounting, emit) => new CountingEngine(options, emit));
