/**
 * What a worker holds of a stage's state: all weights after `step`, and of the optimizer the part that `rank` owns in a
 * partition for `worldSize` workers, with the part of the rank before it, of which it is the second owner.
 */
export interface HeldState {
  readonly stage: number;
  readonly step: number;
  readonly rank: number;
  readonly worldSize: number;
}

/** Workers that hold one step in one partition: what they have fits together. */
export type HeldGroup = Pick<HeldState, 'step' | 'worldSize'>;

/** True where these ranks have every part between them: part r is with rank r and with rank r + 1. */
export function isCovered(ranks: ReadonlySet<number>, worldSize: number): boolean {
  for (let part = 0; part < worldSize; part++) {
    if (!ranks.has(part) && !ranks.has((part + 1) % worldSize)) return false;
  }
  return true;
}

/** True where every part is with its first owner, who writes it into a checkpoint. */
export function isComplete(ranks: ReadonlySet<number>, worldSize: number): boolean {
  return ranks.size === worldSize;
}

/**
 * The latest step of `stage`, up to `atMostStep`, that the holders have all parts of, by `suffices`; of two partitions of
 * it the one that more of them hold. Null where there is none.
 */
export function newestGroup(
  holders: readonly (HeldState | null)[],
  { stage, atMostStep }: { readonly stage: number; readonly atMostStep: number },
  suffices: (ranks: ReadonlySet<number>, worldSize: number) => boolean,
): HeldGroup | null {
  const groups = new Map<string, HeldGroup & { readonly ranks: Set<number> }>();
  for (const held of holders) {
    if (held === null || held.stage !== stage || held.step > atMostStep) continue;
    const { step, worldSize, rank } = held;
    const key = `${step}/${worldSize}`;
    const group = groups.get(key) ?? { step, worldSize, ranks: new Set() };
    groups.set(key, group);
    group.ranks.add(rank);
  }
  const whole = [...groups.values()].filter(({ ranks, worldSize }) => suffices(ranks, worldSize));
  whole.sort((a, b) => b.step - a.step || b.ranks.size - a.ranks.size);
  return whole[0] ?? null;
}

/** True where the worker's state belongs to the group. */
export function isOf(held: HeldState | null, stage: number, { step, worldSize }: HeldGroup): boolean {
  return held !== null && held.stage === stage && held.step === step && held.worldSize === worldSize;
}
