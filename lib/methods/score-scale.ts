import type { ScoreScale } from './config.js';

/**
 * How far a score lies from neutral, towards the scale's ends: −1 at `min`, 0 at `neutral`, 1 at `max`, linear between.
 * The ends are exact: the quotient of two equal numbers is 1.
 */
export function gradeOf(score: number, { min, max, neutral }: ScoreScale): number {
  if (!(score >= min && score <= max)) throw new Error(`score ${score} lies outside of ${min} to ${max}`);
  if (score === neutral) return 0;
  return (score - neutral) / (score > neutral ? max - neutral : neutral - min);
}
