import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  batchMatMul,
  concat,
  gatherRows,
  matMul,
  max,
  mean,
  roll,
  slice,
  softmax,
  sum,
  transpose,
  usedOps,
  zeros,
} from '../../../../worker/tensorflow/ops.js';
import { floats, ints, read, scope, type Tensor } from '../../../../worker/tensorflow/tensor.js';

const matrix = (shape: readonly number[], values: readonly number[]) =>
  floats(shape, Float32Array.from(values));
const sixValues = [1, 2, 3, 4, 5, 6];

function assertTensor(actual: Tensor, shape: readonly number[], values: readonly number[]): void {
  assert.deepEqual(actual.shape, shape);
  assert.deepEqual([...read(actual)], values);
}

test('products, with each pair of transposes', () => {
  scope(() => {
    const a = matrix([2, 3], sixValues);
    const b = matrix([3, 2], sixValues);
    assertTensor(matMul(a, b), [2, 2], [22, 28, 49, 64]);
    assertTensor(matMul(a, a, { transposeB: true }), [2, 2], [14, 32, 32, 77]);
    assertTensor(matMul(a, a, { transposeA: true }), [3, 3], [17, 22, 27, 22, 29, 36, 27, 36, 45]);
    assertTensor(
      matMul(a, b, { transposeA: true, transposeB: true }),
      [3, 3],
      [9, 19, 29, 12, 26, 40, 15, 33, 51],
    );
    const batch = matrix([2, 1, 3], sixValues);
    assertTensor(batchMatMul(batch, batch, { transposeB: true }), [2, 1, 1], [14, 77]);
    assertTensor(batchMatMul(batch, matrix([2, 3, 1], sixValues)), [2, 1, 1], [14, 77]);
  });
});

test('reductions and softmax', () => {
  scope(() => {
    const a = matrix([2, 3], sixValues);
    assertTensor(sum(a, 0), [3], [5, 7, 9]);
    assertTensor(mean(a, 1, { keepDims: true }), [2, 1], [2, 5]);
    assertTensor(max(a, 0, { keepDims: true }), [1, 3], [4, 5, 6]);
    assertTensor(softmax(matrix([1, 3], [0, -Infinity, 0])), [1, 3], [0.5, 0, 0.5]);
  });
});

test('rows, order and places', () => {
  scope(() => {
    const a = matrix([3, 2], sixValues);
    assertTensor(gatherRows(a, ints([2, 0, 2])), [3, 2], [5, 6, 1, 2, 5, 6]);
    assertTensor(slice(a, 0, 1, 2), [2, 2], [3, 4, 5, 6]);
    assertTensor(slice(a, 1, 1, 1), [3, 1], [2, 4, 6]);
    assertTensor(concat([a, matrix([3, 1], [7, 8, 9])], 1), [3, 3], [1, 2, 7, 3, 4, 8, 5, 6, 9]);
    assertTensor(concat([a, matrix([1, 2], [7, 8])], 0), [4, 2], [...sixValues, 7, 8]);
    assertTensor(transpose(a, [1, 0]), [2, 3], [1, 3, 5, 2, 4, 6]);
    assertTensor(roll(matrix([1, 1, 4], [1, 2, 3, 4]), 2, 2), [1, 1, 4], [3, 4, 1, 2]);
    assertTensor(zeros([2, 1]), [2, 1], [0, 0]);
  });
});

test('the list of ops names each once', () => {
  assert.equal(new Set(usedOps).size, usedOps.length);
  for (const name of ['MatMul', 'Softmax', 'InplaceAdd', 'TensorScatterAdd'])
    assert.ok(usedOps.includes(name));
});
