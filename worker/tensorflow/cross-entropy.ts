import { add, exp, gatherRows, max, reshape, slice, subtract, sum } from './ops.js';
import { dispose, ints, read, scope, type Tensor } from './tensor.js';

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
 * @param logits [classes, n]; used up
 */
export function labelLogps(logits: Tensor, labels: Int32Array): LabelLogps {
  const highest = max(logits, 0, { keepDims: true });
  const ofLabel = scope(() => read(elementsAt(logits, labels)));
  // Nothing else in a pass is as large: no more than two of these at a time.
  const shifted = subtract(logits, highest);
  dispose(logits);
  const exponentials = exp(shifted);
  dispose(shifted);
  const totals = read(sumOverRows(exponentials));
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
  const group = Math.floor(Math.sqrt(height));
  const groups = Math.floor(height / group);
  const grouped = reshape(slice(x, 0, 0, groups * group), [groups, group, width]);
  const total = sum(sum(grouped, 1), 0);
  const rest = height - groups * group;
  return rest === 0 ? total : add(total, sum(slice(x, 0, groups * group, rest), 0));
}
