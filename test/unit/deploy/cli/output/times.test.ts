import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatTime } from '../../../../../deploy/cli/output/times.js';

test('an age is told in its greatest unit', () => {
  const second = 1_000;
  const ages = [-5, 0, 59.9, 60, 3_599, 3_600, 86_399, 86_400, 100 * 86_400].map((s) =>
    formatAge(s * second),
  );
  assert.deepEqual(ages, ['0 s', '0 s', '59 s', '1 min', '59 min', '1 h', '23 h', '1 d', '100 d']);
});

test('a time is of this machine, and sorts as text', () => {
  const time = new Date(2026, 0, 2, 3, 4, 5);
  assert.equal(formatTime(time.getTime()), '2026-01-02 03:04:05');
});
