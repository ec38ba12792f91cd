import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comesAfter } from '../../../../coordinator/runs/interlude.js';

const stepsOf = (everySteps: number, totalSteps: number) =>
  Array.from({ length: totalSteps + 1 }, (_, step) => step).filter((step) =>
    comesAfter(step, everySteps, totalSteps),
  );

test('at the start, every so many steps, and at the end, once each', () => {
  assert.deepEqual(stepsOf(3, 10), [0, 3, 6, 9, 10]);
  assert.deepEqual(stepsOf(5, 10), [0, 5, 10]);
  assert.deepEqual(stepsOf(1, 3), [0, 1, 2, 3]);
  assert.deepEqual(stepsOf(50, 10), [0, 10]);
  assert.deepEqual(stepsOf(0, 10), [0, 10]);
});
