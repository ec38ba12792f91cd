import { BadRow } from '../bad-row.js';
import type { JudgedRow } from '../row.js';

/** How scores become labels. */
export interface Binarization {
  /** Scores from here on are desirable, those below are not; null where no score is looked at. */
  readonly threshold: number | null;
  /** Scores that are no further than this from the threshold are neither; null for none. */
  readonly neutral: number | null;
}

/**
 * Whether an answer is desirable, by its label or its score; with a threshold, the score goes first.
 * @throws BadRow for one that is neither desirable nor undesirable.
 */
export function isDesirable({ label, score }: JudgedRow, { threshold, neutral }: Binarization): boolean {
  if (score !== null && threshold !== null) {
    if (neutral !== null && Math.abs(score - threshold) <= neutral)
      throw new BadRow('score is in the neutral band');
    return score >= threshold;
  }
  if (label !== null) return label;
  if (score !== null) throw new BadRow('label is missing; --threshold makes one of the score');
  throw new BadRow(threshold === null ? 'label is missing' : 'score is missing');
}
