import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relativePaces } from '../../../../coordinator/runs/worker-paces.js';

test('the measure is the time for a leaf over the median of the others', () => {
  const ratios = relativePaces([
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

test('one alone is compared with nobody', () => {
  assert.deepEqual([...relativePaces([{ workerId: 'worker-0', computeMs: 10, leaves: 1 }])], []);
});
