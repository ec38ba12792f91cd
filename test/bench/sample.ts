/** Repeated measurements of one thing. */
export interface Sample {
  readonly count: number;
  readonly median: number;
  /** Half of all measurements lie between the quartiles. */
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

export function sampleOf(values: readonly number[]): Sample {
  if (values.length === 0) throw new RangeError('a sample of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number) => {
    const position = share * (sorted.length - 1);
    const below = sorted[Math.floor(position)]!;
    const above = sorted[Math.ceil(position)]!;
    return below + (position % 1) * (above - below);
  };
  return {
    count: sorted.length,
    median: quantile(0.5),
    lowerQuartile: quantile(0.25),
    upperQuartile: quantile(0.75),
  };
}
