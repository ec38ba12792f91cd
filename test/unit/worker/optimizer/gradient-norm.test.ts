import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockSquareSums, clipScale, gradientNorm } from '../../../../worker/optimizer/gradient-norm.js';
import { BLOCK_SIZE } from '../../../../worker/parameters/layout.js';

test('the norm does not depend on how the blocks are shared out', () => {
  const gradient = Float32Array.from({ length: 5 * BLOCK_SIZE }, (_, i) =>
    Math.fround(Math.sin(i) * 10 ** ((i % 7) - 3)),
  );
  const whole = blockSquareSums([gradient]);
  for (const cut of [1, 2, 3, 4]) {
    const left = blockSquareSums([gradient.subarray(0, cut * BLOCK_SIZE)]);
    const right = blockSquareSums([gradient.subarray(cut * BLOCK_SIZE)]);
    assert.equal(gradientNorm([...left, ...right]), gradientNorm(whole));
    assert.deepEqual(
      blockSquareSums([gradient.subarray(0, cut * BLOCK_SIZE), gradient.subarray(cut * BLOCK_SIZE)]),
      whole,
    );
  }
});

test('a norm of 3-4-0 is 5', () => {
  const gradient = new Float32Array(2 * BLOCK_SIZE);
  gradient[0] = 3;
  gradient[BLOCK_SIZE + 7] = -4;
  assert.equal(gradientNorm(blockSquareSums([gradient])), 5);
});

test('a value that is not finite shows in its block and in the norm', () => {
  const gradient = new Float32Array(3 * BLOCK_SIZE);
  gradient[BLOCK_SIZE] = Number.NaN;
  const sums = blockSquareSums([gradient]);
  assert.equal(
    sums.findIndex((sum) => !Number.isFinite(sum)),
    1,
  );
  assert.ok(Number.isNaN(gradientNorm(sums)));
});

test('clipping as torch.nn.utils.clip_grad_norm_: only above the limit, and 0 for none', () => {
  assert.equal(clipScale(0.5, 1), 1);
  assert.equal(clipScale(4, 1), 1 / (4 + 1e-6));
  assert.equal(clipScale(4, 0), 1);
});
