import type { Span } from '../../../lib/profile.js';
import { peakOf, type RecordedThread } from './threads.js';

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
  /** Whole microseconds: sums of them are exact. */
  us: number;
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
  let wallUs = 0;
  for (const { spans } of threads) {
    const counted = warm(spans);
    steps += new Set(counted.map(({ step }) => step)).size;
    const threadUs = wallUsOf(counted);
    wallUs += threadUs;
    const busyUs = addSelfTimes(counted, sums);
    add(sums, IDLE, { us: Math.max(0, threadUs - busyUs), flops: 0 });
  }
  const [first] = threads;
  const peak = peakOf(threads);
  const parts = [...sums].map(([name, { us, flops }]): Part => {
    const flopsPerSecond = us === 0 ? 0 : flops / (us / 1e6);
    return {
      thread: first?.thread ?? '',
      name,
      milliseconds: us / 1000 / Math.max(1, steps),
      share: wallUs === 0 ? 0 : us / wallUs,
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

function wallUsOf(spans: readonly Span[]): number {
  let [startUs, endUs] = [Infinity, -Infinity];
  for (const span of spans) {
    startUs = Math.min(startUs, span.startUs);
    endUs = Math.max(endUs, span.startUs + span.durationUs);
  }
  return spans.length === 0 ? 0 : endUs - startUs;
}

interface OpenSpan {
  readonly endUs: number;
  readonly name: string;
  readonly top: string;
}

/** Adds what each span took without those inside of it. Returns what all of them took together. */
function addSelfTimes(spans: readonly Span[], sums: Map<string, Sum>): number {
  const open: OpenSpan[] = [];
  let busyUs = 0;
  const inOrder = spans.toSorted((a, b) => a.startUs - b.startUs || b.durationUs - a.durationUs);
  for (const { part, startUs, durationUs, flops } of inOrder) {
    while (open.length > 0 && open.at(-1)!.endUs <= startUs) open.pop();
    const outer = open.at(-1);
    const top = outer?.top ?? part;
    const name = outer === undefined ? part : `${top} › ${part}`;
    add(sums, name, { us: durationUs, flops });
    if (outer === undefined) busyUs += durationUs;
    else add(sums, outer.name, { us: -durationUs, flops: 0 });
    open.push({ endUs: startUs + durationUs, name, top });
  }
  return busyUs;
}

function add(sums: Map<string, Sum>, name: string, { us, flops }: Sum): void {
  const sum = sums.get(name) ?? { us: 0, flops: 0 };
  sums.set(name, { us: sum.us + us, flops: sum.flops + flops });
}
