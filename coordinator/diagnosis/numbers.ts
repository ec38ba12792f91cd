export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** For each of two or more values, the median of the others. All are sorted once. */
export function mediansOfOthers(values: readonly number[]): number[] {
  const ascending = [...values].sort((a, b) => a - b);
  const left = values.length - 1;
  const middle = left >> 1;
  return values.map((own) => {
    const at = (index: number) => ascending[ascending[index]! < own ? index : index + 1]!;
    return left % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  });
}

/** Of the mean of `values`, as if they were independent of each other. */
export function standardError(values: readonly number[]): number {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1) / values.length);
}
