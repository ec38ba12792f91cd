import type { RecordedThread } from './threads.js';

/** An event of Chrome's trace format, which chrome://tracing and ui.perfetto.dev show. */
export interface TraceEvent {
  readonly name: string;
  /** M: names a process or thread; X: a span. */
  readonly ph: 'M' | 'X';
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** One row for each thread. */
export function traceOf(threads: readonly RecordedThread[]): { readonly traceEvents: readonly TraceEvent[] } {
  return { traceEvents: threads.flatMap((thread, index) => eventsOf(thread, index + 1)) };
}

function eventsOf({ process, pid, thread, spans }: RecordedThread, tid: number): TraceEvent[] {
  return [
    { name: 'process_name', ph: 'M', pid, tid, args: { name: process } },
    { name: 'thread_name', ph: 'M', pid, tid, args: { name: thread } },
    ...spans.map(({ part, block, step, startUs, durationUs, flops }): TraceEvent => {
      const name = block === null ? part : `${part} ${block}`;
      return { name, ph: 'X', pid, tid, ts: startUs, dur: durationUs, args: { step, flops } };
    }),
  ];
}
