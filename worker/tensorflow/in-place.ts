import { elementCount } from '../parameters/layout.js';
import { loadTensorFlow } from './load.js';
import { add, inplaceAdd, inplaceUpdate, reshape, tensorScatterAdd } from './ops.js';
import { tensorOver } from './memory-tensor.js';
import { dispose, ints, read, scope, type Tensor } from './tensor.js';

/**
 * Sums without a new result. On the CPU, TensorFlow's `InplaceAdd` and `InplaceUpdate` write to the memory of their first
 * input, whoever owns it, row after row in the order given. On a GPU they write to a copy there, and race where a row
 * comes twice: there these functions use other ops.
 */

/** Gradients in memory that threads share: TensorFlow adds to it where it lies. */
export class Accumulator {
  /** The whole memory as one row: an in-place op works through a row with all threads. */
  private readonly row: Tensor;

  constructor(private readonly values: Float32Array) {
    this.row = tensorOver(values, [1, values.length]);
  }

  /** Overwrites the memory with the values of `x`. */
  store(x: Tensor): void {
    if (onGpu()) this.values.set(read(x));
    else this.apply(inplaceUpdate, x);
  }

  /** Adds `x` to the memory, element by element. */
  add(x: Tensor): void {
    if (onGpu()) read(x).forEach((value, index) => (this.values[index]! += value));
    else this.apply(inplaceAdd, x);
  }

  dispose(): void {
    dispose(this.row);
  }

  private apply(operation: typeof inplaceAdd, x: Tensor): void {
    scope(() => {
      operation([this.row, ints([0]), reshape(x, this.row.shape)]);
    });
  }
}

/** total + x. `total` is used up: read the result instead. */
export function addTo(total: Tensor, x: Tensor): Tensor {
  if (onGpu()) return replace(total, add(total, x));
  const size = elementCount(total.shape);
  scope(() => {
    inplaceAdd([reshape(total, [1, size]), ints([0]), reshape(x, [1, size])]);
  });
  return total;
}

/**
 * Adds `values` [m, columns] to the given rows of `total` [n, columns], in order; a row may come more than once. `total`
 * is used up: read the result instead.
 */
export function addRowsTo(total: Tensor, rows: Int32Array, values: Tensor): Tensor {
  if (onGpu()) return replace(total, tensorScatterAdd(total, ints(rows, [rows.length, 1]), values));
  scope(() => {
    inplaceAdd([total, ints(rows), values]);
  });
  return total;
}

function replace(old: Tensor, result: Tensor): Tensor {
  dispose(old);
  return result;
}

function onGpu(): boolean {
  return loadTensorFlow().isUsingGpuDevice();
}
