import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  RECOMMENDED_RATIO,
  recommendedWeights,
  weightedRatio,
} from '../../../../coordinator/data/class-balance.js';

test('recommended weights bring the ratio into the interval, and weigh up the rarer class only', () => {
  const count = fc.integer({ min: 1, max: 2 ** 31 });
  const counts = fc.oneof(
    fc.tuple(count, count),
    fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 })),
  );
  const property = fc.property(counts, ([desirable, undesirable]) => {
    const weights = recommendedWeights(desirable, undesirable);
    assert.ok(weights !== null);
    const ratio = weightedRatio(weights, desirable, undesirable);
    assert.ok(ratio >= RECOMMENDED_RATIO.low && ratio <= RECOMMENDED_RATIO.high, `${ratio}`);
    assert.equal(Math.min(weights.desirableWeight, weights.undesirableWeight), 1);
    assert.ok(desirable < undesirable ? weights.undesirableWeight === 1 : weights.desirableWeight === 1);
  });
  fc.assert(property, { numRuns: 5000 });
});

test('they are those of the KTO paper', () => {
  const cases: [desirable: number, undesirable: number, weights: readonly [number, number]][] = [
    [100, 100, [1, 1]],
    [400, 300, [1, 1]],
    [100, 200, [2, 1]],
    [200, 100, [1, 1.5]],
    [1000, 100, [1, 7.5]],
    [115, 100, [1, 1]],
    // 1.15 · 100 is 114.99999999999999 in float64.
    [100, 115, [1.16, 1]],
    [3, 7, [2.34, 1]],
  ];
  for (const [desirable, undesirable, [desirableWeight, undesirableWeight]] of cases) {
    assert.deepEqual(recommendedWeights(desirable, undesirable), { desirableWeight, undesirableWeight });
  }
});

test('one class cannot be balanced', () => {
  assert.equal(recommendedWeights(0, 5), null);
  assert.equal(recommendedWeights(5, 0), null);
});
