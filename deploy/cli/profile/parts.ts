import type { Span } from '../../../lib/profile/spans.js';
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

/** Of threads, as a reader asks for them. */
const firstKinds = ['compute', 'main', 'reference', 'coordinator'];

/** The largest first, of the first thread first. The first step, which warms up, counts only where it is the only one. */
export function partsOf(threads: readonly RecordedThread[]): Part[] {
  const kinds = [...new Set([...firstKinds, ...threads.map(({ thread }) => thread)])].filter((kind) =>
    threads.some(({ thread }) => thread === kind),
  );
  const context = { window: windowOf(threads), peak: peakOf(threads) };
  return kinds.flatMap((kind) =>
    partsOfKind(
      threads.filter(({ thread }) => thread === kind),
      context,
    ),
  );
}

/** The time of some steps. */
interface Window {
  readonly startUs: number;
  readonly endUs: number;
  readonly steps: number;
}

/** Of the steps that are counted, on the thread that counted most of it. */
function windowOf(threads: readonly RecordedThread[]): Window {
  const windows = threads
    .filter(({ spans }) => spans.some(({ step }) => step !== null))
    .map(({ spans }): Window => {
      const counted = warm(spans);
      return { ...extentOf(counted), steps: new Set(counted.map(({ step }) => step)).size };
    });
  return (
    windows.sort((a, b) => b.endUs - b.startUs - (a.endUs - a.startUs))[0] ?? {
      startUs: 0,
      endUs: 0,
      steps: 0,
    }
  );
}

/** What a thread did in the steps that are counted. Whoever knows no steps: what it began meanwhile. */
function countedOf({ spans }: RecordedThread, window: Window): Window & { readonly spans: readonly Span[] } {
  if (spans.every(({ step }) => step === null)) {
    const meanwhile = spans.filter(({ startUs }) => window.startUs <= startUs && startUs < window.endUs);
    return { ...window, spans: meanwhile };
  }
  const counted = warm(spans);
  return { ...extentOf(counted), steps: new Set(counted.map(({ step }) => step)).size, spans: counted };
}

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

function warm(spans: readonly Span[]): Span[] {
  const later = spans.filter(({ step }) => (step ?? 0) > 1);
  return later.length > 0 ? later : [...spans];
}

/** From the start of the first to the end of the last. */
function extentOf(spans: readonly Span[]): Pick<Window, 'startUs' | 'endUs'> {
  if (spans.length === 0) return { startUs: 0, endUs: 0 };
  let [startUs, endUs] = [Infinity, -Infinity];
  for (const span of spans) {
    startUs = Math.min(startUs, span.startUs);
    endUs = Math.max(endUs, span.startUs + span.durationUs);
  }
  return { startUs, endUs };
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
