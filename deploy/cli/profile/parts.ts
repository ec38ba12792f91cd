import type { Span } from '../../../lib/profile.js';
import type { RecordedThread } from './threads.js';

/** What all threads of one kind spend on one part of a step. */
export interface Part {
  readonly thread: string;
  /** With the engine's call that it was a part of in front: `leafGradient › block backward`. */
  readonly name: string;
  /** Of a step on one worker, without the parts inside of it. */
  readonly milliseconds: number;
  /** Of a step. */
  readonly share: number;
  /** Floating-point operations in a second; 0 where none were counted. */
  readonly flopsPerSecond: number;
  /** Share of what one large product reaches; null where none were counted. */
  readonly ofPeak: number | null;
}

interface Sum {
  ms: number;
  flops: number;
}

const IDLE = 'idle';

/** The largest first, of the first thread first. The first step, which warms up, counts only where it is the only one. */
export function partsOf(threads: readonly RecordedThread[]): Part[] {
  const kinds = [...new Set(threads.map(({ thread }) => thread))];
  return kinds.flatMap((kind) => partsOfKind(threads.filter(({ thread }) => thread === kind)));
}

function partsOfKind(threads: readonly RecordedThread[]): Part[] {
  const sums = new Map<string, Sum>();
  let steps = 0;
  let wallMs = 0;
  for (const { spans } of threads) {
    const counted = warm(spans);
    steps += new Set(counted.map(({ step }) => step)).size;
    const threadMs = wallMsOf(counted);
    wallMs += threadMs;
    const busyMs = addSelfTimes(counted, sums);
    add(sums, IDLE, { ms: Math.max(0, threadMs - busyMs), flops: 0 });
  }
  const [first] = threads;
  const peak = Math.max(...threads.map(({ peakFlops }) => peakFlops ?? 0));
  const parts = [...sums].map(([name, { ms, flops }]): Part => {
    const flopsPerSecond = ms === 0 ? 0 : flops / (ms / 1000);
    return {
      thread: first?.thread ?? '',
      name,
      milliseconds: ms / Math.max(1, steps),
      share: wallMs === 0 ? 0 : ms / wallMs,
      flopsPerSecond,
      ofPeak: flops === 0 || peak === 0 ? null : flopsPerSecond / peak,
    };
  });
  return parts.sort((a, b) => b.milliseconds - a.milliseconds);
}

function warm(spans: readonly Span[]): Span[] {
  const later = spans.filter(({ step }) => step > 1);
  return later.length > 0 ? later : [...spans];
}

function wallMsOf(spans: readonly Span[]): number {
  if (spans.length === 0) return 0;
  const start = Math.min(...spans.map(({ startUs }) => startUs));
  const end = Math.max(...spans.map(({ startUs, durationUs }) => startUs + durationUs));
  return (end - start) / 1000;
}

interface OpenSpan {
  readonly endUs: number;
  readonly name: string;
  readonly top: string;
}

/** Adds what each span took without those inside of it. Returns what all of them took together. */
function addSelfTimes(spans: readonly Span[], sums: Map<string, Sum>): number {
  const open: OpenSpan[] = [];
  let busyMs = 0;
  const inOrder = spans.toSorted((a, b) => a.startUs - b.startUs || b.durationUs - a.durationUs);
  for (const { part, startUs, durationUs, flops } of inOrder) {
    while (open.length > 0 && open.at(-1)!.endUs <= startUs) open.pop();
    const outer = open.at(-1);
    const top = outer?.top ?? part;
    const name = outer === undefined ? part : `${top} › ${part}`;
    const ms = durationUs / 1000;
    add(sums, name, { ms, flops });
    if (outer === undefined) busyMs += ms;
    else add(sums, outer.name, { ms: -ms, flops: 0 });
    open.push({ endUs: startUs + durationUs, name, top });
  }
  return busyMs;
}

function add(sums: Map<string, Sum>, name: string, { ms, flops }: Sum): void {
  const sum = sums.get(name) ?? { ms: 0, flops: 0 };
  sums.set(name, { ms: sum.ms + ms, flops: sum.flops + flops });
}
