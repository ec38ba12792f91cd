import { createHash } from 'node:crypto';
import type { EncodedAnswer } from '../encode-row.js';

/** Finds answers that stand in a file more than once, by a hash of their token ids. */
export class Duplicates {
  /** By answer: the labels that it was seen with. */
  readonly #labels = new Map<string, { desirable: boolean; undesirable: boolean }>();
  #repeated = 0;

  /** Answers that repeat an earlier one. */
  get repeated(): number {
    return this.#repeated;
  }

  /** Different answers that are desirable in one row and undesirable in another. */
  get contradictory(): number {
    let count = 0;
    for (const { desirable, undesirable } of this.#labels.values()) if (desirable && undesirable) count += 1;
    return count;
  }

  add(answer: EncodedAnswer, label: boolean | null): void {
    const key = hashOf(answer);
    const seen = this.#labels.get(key) ?? { desirable: false, undesirable: false };
    if (this.#labels.has(key)) this.#repeated += 1;
    else this.#labels.set(key, seen);
    if (label === true) seen.desirable = true;
    if (label === false) seen.undesirable = true;
  }
}

function hashOf({ promptIds, completionIds }: EncodedAnswer): string {
  const length = Int32Array.of(promptIds.length);
  const hash = createHash('sha256').update(length).update(promptIds).update(completionIds);
  return hash.digest().toString('latin1', 0, 16);
}
