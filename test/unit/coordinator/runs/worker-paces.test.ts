import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StragglerWatch, type WorkerPace } from '../../../../coordinator/runs/straggler-watch.js';

const paces = (...computeMs: number[]): WorkerPace[] =>
  computeMs.map((ms, index) => ({ workerId: `worker-${index}`, computeMs: ms, leaves: 1 }));

test('a worker that is slow three times in a row is told of once', () => {
  const watch = new StragglerWatch();
  const tell = (...computeMs: number[]) => watch.observe(paces(...computeMs)).stragglers;
  assert.deepEqual(tell(100, 110, 250), []);
  assert.deepEqual(tell(100, 110, 250), []);
  assert.deepEqual(tell(100, 110, 200), []);
  assert.deepEqual(tell(100, 110, 250), []);
  assert.deepEqual(tell(100, 110, 250), []);
  assert.deepEqual(tell(100, 110, 250), ['worker-2']);
  assert.deepEqual(tell(100, 110, 250), []);
});

test('the measure is the time for a leaf over the median of the others', () => {
  const { ratios } = new StragglerWatch().observe([
    { workerId: 'worker-0', computeMs: 30, leaves: 3 },
    { workerId: 'worker-1', computeMs: 20, leaves: 1 },
    { workerId: 'worker-2', computeMs: 60, leaves: 2 },
    { workerId: 'worker-3', computeMs: 0, leaves: 0 },
  ]);
  assert.deepEqual(
    [...ratios],
    [
      ['worker-0', 10 / 25],
      ['worker-1', 20 / 20],
      ['worker-2', 30 / 15],
    ],
  );
});

test('what nobody has to wait for long is not worth a word', () => {
  const watch = new StragglerWatch();
  for (let step = 0; step < 5; step++) assert.deepEqual(watch.observe(paces(10, 11, 100)).stragglers, []);
});

test('one alone is compared with nobody', () => {
  const watch = new StragglerWatch();
  for (let step = 0; step < 5; step++) assert.deepEqual(watch.observe(paces(10)).stragglers, []);
});
