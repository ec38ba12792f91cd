import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Accumulator, addRowsTo, addTo } from '../../../../worker/tensorflow/in-place.js';
import { tensorOver } from '../../../../worker/tensorflow/memory-tensor.js';
import { multiply } from '../../../../worker/tensorflow/ops.js';
import { allocateShared } from '../../../../worker/tensorflow/shared-memory.js';
import { dispose, floats, liveTensors, read, scope } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';

const sharedFloats = (length: number) => new Float32Array(allocateShared(4 * length), 0, length);

test('a tensor over shared memory follows what is written there', () => {
  const values = sharedFloats(4);
  values.set([1, 2, 3, 4]);
  const tensor = tensorOver(values, [2, 2]);
  assert.deepEqual([...values], [1, 2, 3, 4]);
  values[2] = 30;
  assert.deepEqual([...read(tensor)], [1, 2, 30, 4]);
  dispose(tensor);
});

test('memory that TensorFlow would copy is refused', () => {
  const before = liveTensors();
  const values = sharedFloats(64);
  assert.throws(() => tensorOver(values.subarray(1, 17), [16]), /64-byte boundary/);
  assert.deepEqual([...values], [...new Float32Array(64)]);
  assert.equal(liveTensors(), before);
});

test('an accumulator stores and adds in the shared memory itself, bit by bit as float32 sums', (t) => {
  const random = testRandom(t);
  // Long enough to be split between threads, and no multiple of a vector register.
  const length = 300_007;
  const values = sharedFloats(length);
  const guard = new Float32Array(values.buffer, 4 * length, 1);
  guard[0] = 123;
  const accumulator = new Accumulator(values);
  const [a, b, c] = [random.floats(length), random.floats(length), random.floats(length)];
  values.fill(NaN);
  const before = liveTensors();
  scope(() => {
    accumulator.store(floats([length], a));
    accumulator.add(floats([1, length], b));
    accumulator.add(floats([length, 1], c));
  });
  assert.equal(liveTensors(), before);
  const expected = a.map((value, index) => Math.fround(value + b[index]!) + c[index]!);
  assert.deepEqual(values, expected);
  assert.equal(guard[0], 123);
  accumulator.dispose();
  assert.equal(liveTensors(), before - 1);
});

test('addTo adds to its first argument', () => {
  scope(() => {
    const total = multiply(floats([2, 2], Float32Array.of(1, 2, 3, 4)), floats([], Float32Array.of(1)));
    const sum = addTo(total, floats([2, 2], Float32Array.of(10, 20, 30, 40)));
    assert.deepEqual(sum.shape, [2, 2]);
    assert.deepEqual([...read(sum)], [11, 22, 33, 44]);
  });
});

test('rows are added in order, each as often as it comes', () => {
  scope(() => {
    const total = multiply(floats([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)), floats([], Float32Array.of(1)));
    const rows = floats([4, 2], Float32Array.of(1e8, 1, 1, 2, -1e8, 3, 10, 20));
    const sum = addRowsTo(total, Int32Array.of(2, 2, 2, 0), rows);
    // 5 + 1e8 rounds to 1e8 + 8 in float32, and the order decides what is left.
    const lost = Math.fround(Math.fround(Math.fround(5 + 1e8) + 1) - 1e8);
    assert.deepEqual([...read(sum)], [11, 22, 3, 4, lost, 12]);
  });
});
