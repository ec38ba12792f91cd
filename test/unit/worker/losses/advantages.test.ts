import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MOMENT_WIDTH,
  poolMoments,
  shareMoments,
  tokenAdvantages,
  whiten,
} from '../../../../worker/losses/advantages.js';
import { between } from './arbitraries.js';

const close = (actual: number, expected: number) =>
  assert.ok(
    Math.abs(actual - expected) < 1e-9 * Math.max(1, Math.abs(expected)),
    `${actual}, not ${expected}`,
  );

const completions = fc.array(fc.array(between(-5, 5), { minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 8,
});

test('the moments that completions share are those of all tokens, far from 0 too', () => {
  fc.assert(
    fc.property(completions, fc.constantFrom(0, 1e6), (rows, offset) => {
      const values = rows.map((row) => Float64Array.from(row, (value) => value + offset));
      const shared = values.flatMap(shareMoments);
      assert.equal(shared.length, rows.length * MOMENT_WIDTH);
      const pooled = poolMoments(shared);
      const all = values.flatMap((row) => Array.from(row));
      const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
      close(pooled.mean, mean);
      close(pooled.variance, all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
    }),
  );
});

test('whitened advantages have mean 0 and variance 1', () => {
  const rows = [Float64Array.of(1, 2, 4), Float64Array.of(-3), Float64Array.of(0.5, 7)];
  const moments = poolMoments(rows.flatMap(shareMoments));
  const after = poolMoments(rows.map((row) => whiten(row, moments)).flatMap(shareMoments));
  assert.ok(Math.abs(after.mean) < 1e-12);
  assert.ok(Math.abs(after.variance - 1) < 1e-8);
});

test('with lambda 1 and no critic the advantage is the discounted reward to go', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      between(0.5, 1),
      fc.constantFrom(-1, 1),
      (length, gamma, reward) => {
        const { advantages, returns } = tokenAdvantages(reward, length, null, { gamma, lam: 1 });
        assert.deepEqual(advantages, returns);
        advantages.forEach((advantage, t) => close(advantage, reward * gamma ** (length - 1 - t)));
      },
    ),
  );
});

test('a critic that knows the reward leaves no advantage', () => {
  const values = [0.81, 0.9, 1];
  const { advantages } = tokenAdvantages(1, 3, values, { gamma: 0.9, lam: 0.95 });
  advantages.forEach((advantage) => close(advantage, 0));
});
