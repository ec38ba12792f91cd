/** Bounds of λ_D·n_D / (λ_U·n_U) that the KTO paper recommends (arXiv 2402.01306, section 4.2). */
export const RECOMMENDED_RATIO = { low: 1, high: 4 / 3 } as const;

export interface ClassWeights {
  readonly desirableWeight: number;
  readonly undesirableWeight: number;
}

/** λ_D·n_D / (λ_U·n_U). */
export function weightedRatio(
  { desirableWeight, undesirableWeight }: ClassWeights,
  desirable: number,
  undesirable: number,
): number {
  return (desirableWeight * desirable) / (undesirableWeight * undesirable);
}

/**
 * The weights of two decimals that bring λ_D·n_D / (λ_U·n_U) into the recommended interval with the least change from 1:
 * the rarer class is weighed up. Null where one class has no rows, which no weights can balance.
 */
export function recommendedWeights(desirable: number, undesirable: number): ClassWeights | null {
  if (desirable === 0 || undesirable === 0) return null;
  const { low, high } = RECOMMENDED_RATIO;
  const ratio = desirable / undesirable;
  if (ratio > high) return { desirableWeight: 1, undesirableWeight: roundUp(ratio / high) };
  return { desirableWeight: roundUp(Math.max(1, low / ratio)), undesirableWeight: 1 };
}

/** To two decimals. What is rounding error of the division and no more, is not rounded up. */
function roundUp(weight: number): number {
  return Math.ceil(weight * 100 - 1e-9) / 100;
}
