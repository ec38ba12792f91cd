import type { Span } from '../../../lib/profile/spans.js';
import { knowsSteps, peakOf, type RecordedThread } from './threads.js';

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

/** The order of threads in the table; others come behind. */
const firstKinds = ['compute', 'main', 'reference', 'coordinator'];

/** By kind of thread, the largest first. The first step, which warms up, counts only where it is the only one. */
export function partsOf(threads: readonly RecordedThread[]): Part[] {
  const kinds = [...new Set([...firstKinds, ...threads.map(({ thread }) => thread)])];
  const context = { window: windowOf(threads), peak: peakOf(threads) };
  return kinds.flatMap((kind) => {
    const ofKind = threads.filter(({ thread }) => thread === kind);
    return ofKind.length === 0 ? [] : partsOfKind(ofKind, context);
  });
}

/** The time of some steps. */
interface Window {
  readonly startUs: number;
  readonly endUs: number;
  readonly steps: number;
}

/** What a thread did in the steps that are counted. */
interface Counted extends Window {
  readonly spans: readonly Span[];
}

/** Of the thread that counted the most steps, and the longest of those. */
function windowOf(threads: readonly RecordedThread[]): Window {
  const windows = threads.filter(knowsSteps).map(({ spans }) => warm(spans));
  windows.sort((a, b) => b.steps - a.steps || b.endUs - b.startUs - (a.endUs - a.startUs));
  return windows[0] ?? warm([]);
}

/** Of whoever knows no steps, all calls that it began meanwhile, with what is inside of them. */
function countedOf(thread: RecordedThread, window: Window): Counted {
  if (thread.spans.length === 0 || knowsSteps(thread)) return warm(thread.spans);
  const spans: Span[] = [];
  let [endUs, counts] = [-Infinity, false];
  for (const span of inOrder(thread.spans)) {
    if (span.startUs >= endUs) {
      endUs = span.startUs + span.durationUs;
      counts = window.startUs <= span.startUs && span.startUs < window.endUs;
    }
    if (counts) spans.push(span);
  }
  return { ...window, spans };
}

/** Outer ones before those inside of them. */
const inOrder = (spans: readonly Span[]) =>
  spans.toSorted((a, b) => a.startUs - b.startUs || b.durationUs - a.durationUs);

interface Context {
  readonly window: Window;
  /** Floating-point operations in a second that one large product reaches; 0 where nobody has measured it. */
  readonly peak: number;
}

function partsOfKind(threads: readonly RecordedThread[], { window, peak }: Context): Part[] {
  const sums = new Map<string, Sum>();
  let steps = 0;
  let wallUs = 0;
  for (const thread of threads) {
    const counted = countedOf(thread, window);
    steps += counted.steps;
    const threadUs = counted.endUs - counted.startUs;
    wallUs += threadUs;
    const busyUs = addSelfTimes(counted.spans, sums);
    add(sums, IDLE, { us: Math.max(0, threadUs - busyUs), flops: 0 });
  }
  const [first] = threads;
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

/** Of the steps behind the first, if there are any: from the start of their first span to the end of the last. */
function warm(spans: readonly Span[]): Counted {
  const later = spans.filter(({ step }) => (step ?? 0) > 1);
  const counted = later.length > 0 ? later : spans;
  if (counted.length === 0) return { startUs: 0, endUs: 0, steps: 0, spans: [] };
  let [startUs, endUs] = [Infinity, -Infinity];
  for (const span of counted) {
    startUs = Math.min(startUs, span.startUs);
    endUs = Math.max(endUs, span.startUs + span.durationUs);
  }
  return { startUs, endUs, steps: new Set(counted.map(({ step }) => step)).size, spans: counted };
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
  for (const { part, startUs, durationUs, flops } of inOrder(spans)) {
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
