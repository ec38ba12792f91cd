import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { faultKinds, formatSchedule, makeSchedule, parseSchedule } from './schedule.js';

describe('a schedule of faults', () => {
  test('depends on the seed alone', () => {
    const options = { faults: 20, steps: 60 };
    assert.deepEqual(makeSchedule({ seed: 7, ...options }), makeSchedule({ seed: 7, ...options }));
    assert.notDeepEqual(makeSchedule({ seed: 7, ...options }), makeSchedule({ seed: 8, ...options }));
  });

  test('is in the order of time, within the run, and as long as asked', () => {
    for (let seed = 0; seed < 100; seed++) {
      const schedule = makeSchedule({ seed, faults: 20, steps: 60 });
      assert.equal(schedule.length, 20, `seed ${seed}`);
      const moments = schedule.map(({ afterStep, delayMs }) => afterStep * 1e6 + delayMs);
      assert.deepEqual(
        moments,
        moments.toSorted((a, b) => a - b),
        `seed ${seed}`,
      );
      assert.ok(
        schedule.every(({ afterStep }) => afterStep >= 0 && afterStep <= 57),
        `seed ${seed}`,
      );
    }
  });

  test('draws every kind, and several faults at one moment', () => {
    const all = Array.from({ length: 50 }, (_, seed) => makeSchedule({ seed, faults: 20, steps: 60 }));
    assert.deepEqual(new Set(all.flat().map(({ kind }) => kind)), new Set(faultKinds));
    const together = all.filter((schedule) =>
      schedule.some(({ afterStep, delayMs }, i) => {
        const before = schedule[i - 1];
        return before?.afterStep === afterStep && before.delayMs === delayMs;
      }),
    );
    assert.ok(together.length > 25, `${together.length} of ${all.length}`);
  });

  test('draws only from the kinds that are given', () => {
    const schedule = makeSchedule({ seed: 1, faults: 50, steps: 60, kinds: ['grow', 'shrink'] });
    assert.deepEqual(new Set(schedule.map(({ kind }) => kind)), new Set(['grow', 'shrink']));
  });

  test('comes back from its text, and a text that is none is refused', () => {
    const schedule = makeSchedule({ seed: 3, faults: 20, steps: 60 });
    assert.deepEqual(parseSchedule(formatSchedule(schedule)), schedule);
    const [fault] = schedule;
    assert.throws(() => parseSchedule(JSON.stringify({ ...fault, kind: 'kill-everyone' })), /kind/);
    assert.throws(() => parseSchedule(JSON.stringify({ ...fault, after: 3 })), /after/);
  });
});
