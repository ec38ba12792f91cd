/** A scale of scores: 1 to 5 stars with 3 as the neutral point, for example. min ≤ neutral ≤ max, min < max. */
export interface ScoreScale {
  readonly min: number;
  readonly max: number;
  /** Neither gain nor loss to the one who gave the score. */
  readonly neutral: number;
}

/**
 * How far a score lies from neutral, towards the scale's ends: −1 at `min`, 0 at `neutral`, 1 at `max`, linear between.
 * The ends are exact: the quotient of two equal numbers is 1.
 */
export function gradeOf(score: number, { min, max, neutral }: ScoreScale): number {
  if (!(score >= min && score <= max)) throw new Error(`score ${score} lies outside of ${min} to ${max}`);
  if (score === neutral) return 0;
  return (score - neutral) / (score > neutral ? max - neutral : neutral - min);
}
