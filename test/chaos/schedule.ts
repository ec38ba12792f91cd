import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { z } from 'zod';

export const faultKinds = [
  'kill-worker',
  'terminate-worker',
  'pause-worker',
  'freeze-worker',
  'grow',
  'shrink',
  'kill-reference',
  'kill-coordinator',
  'terminate-coordinator',
] as const;
export type FaultKind = (typeof faultKinds)[number];

const faultSchema = z.strictObject({
  /** It comes once this many steps of the run are committed, */
  afterStep: z.int32().min(0),
  /** and this much later. */
  delayMs: z.int32().min(0),
  kind: z.enum(faultKinds),
  /** Chooses one of the processes that there are then: the remainder by their number. */
  pick: z.int32().min(0),
  /** How long a paused worker stands still, or how long a coordinator stays away; 0 where neither applies. */
  durationMs: z.int32().min(0),
});

/** Something that is done to a run. */
export type Fault = Readonly<z.infer<typeof faultSchema>>;

const scheduleSchema = z.array(faultSchema);

export interface ScheduleOptions {
  readonly seed: number;
  readonly faults: number;
  /** Of the whole run; faults come before its end. */
  readonly steps: number;
  /** Kinds to draw from. */
  readonly kinds?: readonly FaultKind[];
}

/** How often each kind is drawn, among the others. */
const weights: Readonly<Record<FaultKind, number>> = {
  'kill-worker': 6,
  'terminate-worker': 3,
  'pause-worker': 3,
  'freeze-worker': 1,
  grow: 2,
  shrink: 2,
  'kill-reference': 2,
  'kill-coordinator': 3,
  'terminate-coordinator': 2,
};

/** About two steps of a tiny model. */
const longestDelayMs = 120;
/** One fault of so many comes at the same moment as the one before. */
const togetherOneOf = 5;
/** The last steps are left alone, so that every fault meets a run. */
const quietSteps = 3;

/** A schedule is a function of these options alone. In the order of time. */
export function makeSchedule({ seed, faults, steps, kinds = faultKinds }: ScheduleOptions): Fault[] {
  const random = xoroshiro128plus(seed);
  random.jump();
  const urn = kinds.flatMap((kind) => Array.from({ length: weights[kind] }, () => kind));
  const drawn = Array.from({ length: faults }, () => draw(random, urn, Math.max(0, steps - quietSteps)));
  const inOrder = drawn.sort((a, b) => a.afterStep - b.afterStep || a.delayMs - b.delayMs);
  return inOrder.map((fault, i) => {
    const before = inOrder[i - 1];
    if (before === undefined || uniformInt(random, 1, togetherOneOf) > 1) return fault;
    const { afterStep, delayMs } = before;
    return { ...fault, afterStep, delayMs };
  });
}

function draw(random: RandomGenerator, urn: readonly FaultKind[], lastStep: number): Fault {
  const kind = urn[uniformInt(random, 0, urn.length - 1)]!;
  return {
    afterStep: uniformInt(random, 0, lastStep),
    delayMs: uniformInt(random, 0, longestDelayMs),
    kind,
    pick: uniformInt(random, 0, 99),
    durationMs: durationOf(kind, random),
  };
}

function durationOf(kind: FaultKind, random: RandomGenerator): number {
  if (kind === 'pause-worker') return uniformInt(random, 300, 3_000);
  if (kind === 'kill-coordinator' || kind === 'terminate-coordinator') return uniformInt(random, 0, 500);
  return 0;
}

/** One fault a line, as JSON: what `--schedule` takes. */
export function formatSchedule(schedule: readonly Fault[]): string {
  return schedule.map((fault) => `${JSON.stringify(fault)}\n`).join('');
}

/** @throws an Error that says what is wrong. */
export function parseSchedule(text: string): Fault[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed = scheduleSchema.safeParse(lines.map((line) => JSON.parse(line) as unknown));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return parsed.data;
}
