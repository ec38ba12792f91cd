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
  if (ratio < low) {
    const balances = (weight: number) => (weight * desirable) / undesirable >= low;
    return { desirableWeight: leastHundredths(low / ratio, balances), undesirableWeight: 1 };
  }
  if (ratio > high) {
    const balances = (weight: number) => desirable / (weight * undesirable) <= high;
    return { desirableWeight: 1, undesirableWeight: leastHundredths(ratio / high, balances) };
  }
  return { desirableWeight: 1, undesirableWeight: 1 };
}

/** The least number of two decimals around `weight` that balances: rounding may move it by one either way. */
function leastHundredths(weight: number, balances: (weight: number) => boolean): number {
  const hundredths = Math.ceil(weight * 100);
  const [least] = [hundredths - 1, hundredths, hundredths + 1].map((n) => n / 100).filter(balances);
  return least ?? weight;
}
