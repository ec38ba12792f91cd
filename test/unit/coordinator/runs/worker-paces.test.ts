import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { median } from '../../../../coordinator/diagnosis/numbers.js';
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

test('of any number of workers, the median is that of the others', () => {
  const anyPaces = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 })), {
    minLength: 2,
    maxLength: 12,
  });
  fc.assert(
    fc.property(anyPaces, (figures) => {
      const paces = figures.map(([computeMs, leaves], index) => ({
        workerId: `${index}`,
        computeMs,
        leaves,
      }));
      const speeds = paces.map(({ computeMs, leaves }) => computeMs / leaves);
      const expected = speeds.map(
        (speed, index) => speed / median(speeds.filter((_, other) => other !== index)),
      );
      assert.deepEqual([...relativePaces(paces).values()], expected);
    }),
  );
});
