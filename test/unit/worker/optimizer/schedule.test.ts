import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningRateAt } from '../../../../worker/optimizer/schedule.js';

/** What the schedulers of `transformers` give for 8 steps with 2 of warm-up, at a base rate of 1. */
const transformersSays = {
  constant: [0, 0.5, 1, 1, 1, 1, 1, 1],
  linear: [0, 0.5, 1, 0.833333333333, 0.666666666667, 0.5, 0.333333333333, 0.166666666667],
  cosine: [0, 0.5, 1, 0.933012701892, 0.75, 0.5, 0.25, 0.066987298108],
} as const;

for (const lrSchedule of ['constant', 'linear', 'cosine'] as const) {
  test(`${lrSchedule} schedule counts steps as transformers does`, () => {
    transformersSays[lrSchedule].forEach((expected, i) => {
      const rate = learningRateAt(i + 1, 8, { learningRate: 1, lrSchedule, warmupSteps: 2 });
      assert.ok(Math.abs(rate - expected) < 1e-11, `step ${i + 1}: ${rate}, expected ${expected}`);
    });
  });
}

test('without warm-up the first step runs at the full rate', () => {
  assert.equal(learningRateAt(1, 8, { learningRate: 3e-4, lrSchedule: 'linear', warmupSteps: 0 }), 3e-4);
});
