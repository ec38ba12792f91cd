import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { labelLogps } from '../../../../worker/tensorflow/cross-entropy.js';
import { floats, read, scope } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';

/** In float64. */
function expected(logits: readonly number[], label: number) {
  const highest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - highest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  const logp = logits[label]! - highest - Math.log(total);
  return { logp, probabilities: exponentials.map((value) => value / total) };
}

describe('log-probs of labels equal the formula in float64, for very unlikely labels too', () => {
  // Squares, and numbers that leave a rest.
  for (const classes of [1, 2, 6, 101, 4096, 8191]) {
    test(`of ${classes} classes`, (t) => {
      const random = testRandom(t);
      const count = 17;
      const logits = random.floats(classes * count).map((value) => 10 * value);
      const labels = random.integers(count, classes);
      logits[labels[0]! * count] = -200;
      scope(() => {
        const { logps, exponentials, totals } = labelLogps(floats([classes, count], logits), labels);
        const shares = read(exponentials);
        labels.forEach((label, column) => {
          const ofColumn = Array.from({ length: classes }, (_, row) => logits[row * count + column]!);
          const wanted = expected(ofColumn, label);
          const logpError = Math.abs(logps[column]! - wanted.logp);
          assert.ok(
            logpError < 1e-6 * Math.max(1, -wanted.logp),
            `log-prob ${column} is off by ${logpError}`,
          );
          wanted.probabilities.forEach((probability, row) => {
            const error = Math.abs(shares[row * count + column]! / totals[column]! - probability);
            assert.ok(error < 1e-6, `probability ${row} of column ${column} is off by ${error}`);
          });
        });
      });
    });
  }
});
