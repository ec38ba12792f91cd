import { RunError } from '../../lib/errors.js';

/** What one example shares with all workers; of every example equally many numbers. */
export interface PositionedValues {
  /** In the step's global batch. */
  readonly position: number;
  readonly values: readonly number[];
}

/** Shared values as they travel: little-endian float64, each example's position before its values. */
export function packValues(shared: readonly PositionedValues[]): Uint8Array {
  const numbers = Float64Array.from(shared.flatMap(({ position, values }) => [position, ...values]));
  return new Uint8Array(numbers.buffer);
}

/**
 * All workers' values in batch order, whoever computed them.
 *
 * @param payloads by rank, as `packValues` made them
 * @param count examples of the whole batch that share
 * @param width numbers that each shares
 * @returns count · width numbers
 * @throws RunError naming the rank that sent nonsense, or where values are missing or double
 */
export function mergeInBatchOrder(payloads: readonly Uint8Array[], count: number, width: number): number[] {
  const byPosition = new Map<number, number[]>();
  const entryBytes = (1 + width) * Float64Array.BYTES_PER_ELEMENT;
  payloads.forEach((payload, rank) => {
    if (payload.byteLength % entryBytes !== 0)
      throw new RunError(`rank ${rank} sent ${payload.byteLength} bytes of batch values`);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    for (let at = 0; at < payload.byteLength; at += entryBytes) {
      const [position, ...values] = Array.from({ length: 1 + width }, (_, i) =>
        view.getFloat64(at + 8 * i, true),
      );
      if (!Number.isInteger(position) || position! < 0) {
        throw new RunError(`rank ${rank} sent a value for batch position ${position}`);
      }
      if (byPosition.has(position!))
        throw new RunError(`rank ${rank} sent the value of batch position ${position} again`);
      byPosition.set(position!, values);
    }
  });
  if (byPosition.size !== count)
    throw new RunError(`the workers sent ${byPosition.size} batch values of ${count}`);
  return [...byPosition].sort(([a], [b]) => a - b).flatMap(([, values]) => values);
}
