import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measurementsOf } from '../../../bench/step/measurements.js';
import type { Part } from '../../../bench/step/part.js';
import type { Training } from '../../../bench/step/side.js';
import { ratioOf } from '../../../bench/suite.js';

const part: Part = {
  name: 'full',
  model: 'm',
  feedback: 'f',
  maxLength: 256,
  steps: 3,
  learningRate: 1e-5,
  lora: false,
  activationMemory: null,
  best: true,
};

/** Losses fall by step; a time for each. */
const training = (times: readonly number[], peakBytes = 2 ** 30): Training => ({
  steps: times.map((milliseconds, index) => ({ loss: 0.5 - index / 100, kl: 0, gradNorm: 1, milliseconds })),
  peakBytes,
});

const ours = [training([1000, 40, 40, 20, 20, 20]), training([1000, 40, 40, 20, 20, 20], 2 ** 31)];
const allLogits = [training([9000, 80, 80, 100, 100, 100]), training([9000, 80, 80, 100, 100, 100])];

test('steps on the same rows are set against each other, without the one that warms up', () => {
  const best = [training([5000, 30, 30]), training([5000, 30, 30])];
  const { measurements, notMeasured } = measurementsOf(part, 3, { ours, allLogits, best });
  assert.deepEqual(notMeasured, []);
  assert.deepEqual(measurements.map(ratioOf), [2, 5, 1.5]);
  assert.deepEqual(
    measurements.map(({ milliseconds, baseline }) => [milliseconds.count, baseline?.count]),
    [
      [2, 2],
      [6, 6],
      [4, 4],
    ],
  );
  assert.equal(measurements[0]!.figures['examples/s'], 200);
  assert.equal(measurements[0]!.figures['peak GiB'], 2);
});

test('beside the last step of the first epoch no reference is computed: two steps say nothing of that epoch', () => {
  const short = [training([1000, 40, 20, 20])];
  const { measurements, notMeasured } = measurementsOf(part, 2, { ours: short, allLogits: [], best: [] });
  assert.deepEqual(
    measurements.map(({ name }) => name),
    ['full, second epoch'],
  );
  assert.match(notMeasured[0]!, /full, first epoch: it takes more than two steps/);
});

test('where the losses of one round part, no ratio is printed, and the step is named', () => {
  const other = training([9000, 80, 80, 100, 100, 100]);
  const steps = other.steps.map((step, index) => (index === 4 ? { ...step, loss: 0.7 } : step));
  const parted = [allLogits[0]!, { ...other, steps }];
  const { measurements, notMeasured } = measurementsOf(part, 3, { ours, allLogits: parted, best: [] });
  assert.deepEqual(measurements.map(ratioOf), [null, null]);
  assert.deepEqual(Object.keys(measurements[0]!.figures), ['examples/s', 'peak GiB']);
  assert.match(notMeasured[0]!, /full, first epoch, a ratio: .*step 5: loss 0\.46 here, 0\.7 there/);
});

test('without the other side there are our figures alone', () => {
  const { measurements, notMeasured } = measurementsOf(part, 3, { ours, allLogits: [], best: [] });
  assert.deepEqual(measurements.map(ratioOf), [null, null]);
  assert.deepEqual(notMeasured, []);
});
