import type { Example, PairedExample } from '../data/example.js';

/** What a method takes a loss of: one judged completion of a prompt, or a pair of them. */
export interface Unit {
  /** Row of the data file, for messages to people. */
  readonly row: number;
  readonly promptIds: Int32Array;
  /** One, or the chosen and the rejected one, in this order. */
  readonly completions: readonly [Int32Array, ...Int32Array[]];
  /** Null where the method takes no label. */
  readonly desirable: boolean | null;
  /** Null where the method takes no score. */
  readonly score: number | null;
}

export function unitOf({ row, promptIds, completionIds, desirable, score }: Example): Unit {
  return { row, promptIds, completions: [completionIds], desirable, score: score ?? null };
}

export function unitOfPair({ row, promptIds, chosenIds, rejectedIds }: PairedExample): Unit {
  return { row, promptIds, completions: [chosenIds, rejectedIds], desirable: null, score: null };
}

/** Prompt and completion tokens that are trained on. */
export function tokensOf({ promptIds, completions }: Unit): number {
  return completions.reduce((sum, { length }) => sum + promptIds.length + length, 0);
}

/** Tokens of the prompt with the longest completion, which decides the padding of a leaf. */
export function longestSequence({ promptIds, completions }: Unit): number {
  return promptIds.length + Math.max(...completions.map(({ length }) => length));
}
