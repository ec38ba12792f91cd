import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addPoint, curveKeys, emptyCurve, MAX_BUCKETS } from '../../../../../coordinator/page/view/curve.js';

describe('a curve', () => {
  test('holds every step as long as there are few', () => {
    const curve = emptyCurve(curveKeys);
    addPoint(curve, 1, { loss: 3, kl: null });
    addPoint(curve, 2, { loss: 1, kl: 0.5 });
    assert.deepEqual([curve.width, curve.steps], [1, [1, 2]]);
    assert.deepEqual(curve.columns.loss.mean, [3, 1]);
    assert.deepEqual(curve.columns.kl, {
      count: [0, 1],
      mean: [null, 0.5],
      low: [null, 0.5],
      high: [null, 0.5],
    });
  });

  test('of any length has few buckets, with the mean, least and greatest of their steps', () => {
    // Every third step lacks its number, and 700 steps are missing.
    const valueOf = (step: number) => (step % 3 === 0 ? null : Math.sin(step) * step);
    const steps = Array.from({ length: 20_000 }, (_, i) => i + 1).filter(
      (step) => step < 5000 || step > 5700,
    );
    const curve = emptyCurve(curveKeys);
    for (const step of steps) addPoint(curve, step, { loss: valueOf(step) });
    assert.ok(curve.steps.length <= MAX_BUCKETS);
    assert.equal(curve.width, 32);
    const byBucket = groupBy(steps, (step) => Math.floor((step - 1) / curve.width));
    assert.deepEqual(
      curve.steps,
      [...byBucket.values()].map((own) => own.at(-1)),
    );
    [...byBucket.values()].forEach((own, bucket) => {
      const values = own.map(valueOf).filter((value) => value !== null);
      const { count, mean, low, high } = curve.columns.loss;
      assert.equal(count[bucket], values.length);
      assert.equal(low[bucket], Math.min(...values));
      assert.equal(high[bucket], Math.max(...values));
      const expected = values.reduce((sum, value) => sum + value, 0) / values.length;
      assert.ok(Math.abs(mean[bucket]! - expected) < 1e-9 * Math.max(1, Math.abs(expected)) + 1e-6);
    });
  });
});

function groupBy(values: readonly number[], keyOf: (value: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value)) ?? [];
    groups.set(keyOf(value), [...group, value]);
  }
  return groups;
}
