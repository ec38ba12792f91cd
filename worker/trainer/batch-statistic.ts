import { RunError } from '../../lib/errors.js';

/** A value of one example, to be summed over the whole batch in batch order. */
export interface PositionedValue {
  readonly position: number;
  readonly value: number;
}

/** Values as they travel: pairs of float64 (position, value). */
export function packValues(values: readonly PositionedValue[]): Uint8Array {
  const numbers = Float64Array.from(values.flatMap(({ position, value }) => [position, value]));
  return new Uint8Array(numbers.buffer);
}

/**
 * All workers' values in batch order, whoever computed them.
 *
 * @param payloads by rank, as `packValues` made them
 * @param count how many values the whole batch has
 * @throws RunError naming the rank that sent nonsense, or where values are missing or double
 */
export function mergeInBatchOrder(payloads: readonly Uint8Array[], count: number): number[] {
  const byPosition = new Map<number, number>();
  payloads.forEach((payload, rank) => {
    if (payload.byteLength % 16 !== 0)
      throw new RunError(`rank ${rank} sent ${payload.byteLength} bytes of batch values`);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    for (let at = 0; at < payload.byteLength; at += 16) {
      const position = view.getFloat64(at, true);
      if (!Number.isInteger(position) || position < 0) {
        throw new RunError(`rank ${rank} sent a value for batch position ${position}`);
      }
      if (byPosition.has(position))
        throw new RunError(`rank ${rank} sent the value of batch position ${position} again`);
      byPosition.set(position, view.getFloat64(at + 8, true));
    }
  });
  if (byPosition.size !== count)
    throw new RunError(`the workers sent ${byPosition.size} batch values of ${count}`);
  return [...byPosition].sort(([a], [b]) => a - b).map(([, value]) => value);
}
