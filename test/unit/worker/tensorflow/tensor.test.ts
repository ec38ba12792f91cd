import assert from 'node:assert/strict';
import { test } from 'node:test';

import { add, concat, matMul, reshape } from '../../../../worker/tensorflow/ops.js';
import { dispose, floats, liveTensors, read, scope } from '../../../../worker/tensorflow/tensor.js';

const matrix = (shape: readonly number[], ...values: number[]) => floats(shape, Float32Array.from(values));

test('a scope frees what it made, except what it returns', () => {
  const before = liveTensors();
  const kept = scope(() => {
    const a = matrix([2], 1, 2);
    return { sum: add(a, a), list: [add(a, a)], label: 'x', values: Float32Array.of(1) };
  });
  assert.equal(liveTensors(), before + 2);
  assert.deepEqual([...read(kept.sum)], [2, 4]);
  dispose(kept);
  assert.equal(liveTensors(), before);
});

test('a tensor that comes twice is freed once', () => {
  const before = liveTensors();
  const a = matrix([1], 1);
  const b = matrix([1], 2);
  dispose([a, { again: a }]);
  assert.equal(liveTensors(), before + 1);
  assert.deepEqual([...read(b)], [2]);
  dispose(b);
});

test('what an inner scope returns belongs to the outer one', () => {
  const before = liveTensors();
  scope(() => {
    const inner = scope(() => matrix([1], 3));
    assert.equal(liveTensors(), before + 1);
    assert.deepEqual([...read(inner)], [3]);
  });
  assert.equal(liveTensors(), before);
});

test('a scope frees all when it throws, from JavaScript or from TensorFlow', () => {
  const before = liveTensors();
  assert.throws(
    () =>
      scope(() => {
        matrix([1], 1);
        scope(() => {
          matrix([1], 1);
          throw new Error('mine');
        });
      }),
    /mine/,
  );
  assert.throws(() => scope(() => matMul(matrix([1, 2], 1, 2), matrix([1, 2], 1, 2))), /MatMul|Matrix size/);
  assert.equal(liveTensors(), before);
});

test('a tensor may be disposed of before its scope ends, in a scope further in too', () => {
  const before = liveTensors();
  scope(() => {
    const a = matrix([1], 1);
    scope(() => dispose(a));
    assert.equal(liveTensors(), before);
  });
  assert.equal(liveTensors(), before);
});

test('a shape that the values do not fill is refused', () => {
  assert.throws(() => matrix([2, 2], 1, 2, 3), /3 values do not fill shape \[2, 2\]/);
});

test('a matrix alone is its own concatenation', () => {
  scope(() => {
    const a = matrix([1, 2], 1, 2);
    assert.equal(concat([a], 0), a);
    const both = concat([a, reshape(a, [1, 2])], 0);
    assert.deepEqual([...read(both)], [1, 2, 1, 2]);
    assert.deepEqual(both.shape, [2, 2]);
  });
});
