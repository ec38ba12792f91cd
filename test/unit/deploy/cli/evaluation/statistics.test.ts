import assert from 'node:assert/strict';
import { test } from 'node:test';
import { feedbackStatistics } from '../../../../../deploy/cli/evaluation/statistics.js';

const row = (desirable: boolean, completionTokens: number, policyLogp: number, referenceLogp: number) => ({
  desirable,
  completionTokens,
  policyLogp,
  referenceLogp,
});

test('each class is judged against z0, rewarded by beta, and weighed by tokens', () => {
  // Log-ratios: desirable 3, 1; undesirable -4, 2. z0 = mean(1, 3) = 2.
  const rows = [row(true, 2, -1, -4), row(true, 6, -3, -4), row(false, 4, -8, -4), row(false, 4, -2, -4)];
  const pairs = [
    { policyLogp: -4, referenceLogp: -5 },
    { policyLogp: -2, referenceLogp: -5 },
  ];
  assert.deepEqual(feedbackStatistics(rows, pairs, 0.5), {
    z0: 2,
    desirable: { rows: 2, rightSideShare: 0.5, meanReward: 1, logpPerToken: -0.5 },
    // A log-ratio of exactly z0 is on neither side.
    undesirable: { rows: 2, rightSideShare: 0.5, meanReward: -0.5, logpPerToken: -1.25 },
  });
});

test('z0 is clamped at 0, so a model judged by itself is on neither side', () => {
  const rows = [row(true, 1, -1, -1), row(false, 1, -1, -1)];
  const { z0, desirable, undesirable } = feedbackStatistics(
    rows,
    [{ policyLogp: -9, referenceLogp: -5 }],
    0.1,
  );
  assert.equal(z0, 0);
  assert.equal(desirable?.rightSideShare, 0);
  assert.equal(undesirable?.rightSideShare, 0);
  assert.equal(desirable.meanReward, 0);
});

test('a class without rows has no statistics', () => {
  assert.equal(feedbackStatistics([row(true, 1, -1, -2)], [], 0.1).undesirable, null);
});
