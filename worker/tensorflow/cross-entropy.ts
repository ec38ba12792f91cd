import { exp, gatherRows, max, reshape, subtract, sum } from './ops.js';
import { ints, read, type Tensor } from './tensor.js';

/**
 * log softmax(x)[label] of each column of logits, and what its gradient is made of:
 * d logp / dx = onehot(label) − exponentials / total.
 */
export interface LabelLogps {
  /** [n], in nats. */
  readonly logps: Float32Array;
  /** e^(x − highest x of the column), [classes, n]. */
  readonly exponentials: Tensor;
  /** Their sum over each column, [n]. */
  readonly totals: Float32Array;
}

/**
 * The log-prob of each column's label. Classes stand in rows: the product that makes logits of a large vocabulary is about
 * three times as fast that way as the other.
 *
 * @param logits [classes, n]
 */
export function labelLogps(logits: Tensor, labels: Int32Array): LabelLogps {
  const highest = max(logits, 0, { keepDims: true });
  const exponentials = exp(subtract(logits, highest));
  const totals = read(sumOverRows(exponentials));
  const ofLabel = read(elementsAt(logits, labels));
  const ofHighest = read(highest);
  const logps = Float32Array.from(labels, (_, i) => ofLabel[i]! - ofHighest[i]! - Math.log(totals[i]!));
  return { logps, exponentials, totals };
}

/** The element of each column of `x` [rows, n] that stands in the row given for it, [n, 1]. */
export function elementsAt(x: Tensor, rows: Int32Array): Tensor {
  const [height, width] = x.shape as [number, number];
  return gatherRows(reshape(x, [height * width, 1]), ints(rows.map((row, column) => row * width + column)));
}

/** Sums each column in two stages: of one after the other, a hundred thousand float32 lose two digits. */
function sumOverRows(x: Tensor): Tensor {
  const [height, width] = x.shape as [number, number];
  const group = largestDivisor(height, Math.floor(Math.sqrt(height)));
  return sum(sum(reshape(x, [height / group, group, width]), 1), 0);
}

function largestDivisor(value: number, atMost: number): number {
  for (let divisor = atMost; divisor > 1; divisor -= 1) if (value % divisor === 0) return divisor;
  return 1;
}
