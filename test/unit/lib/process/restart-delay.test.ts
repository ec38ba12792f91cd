import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restartDelayMs } from '../../../../lib/process/restart-delay.js';

test('at once the first time, then 1, 2, 4 … 60 s', () => {
  const settings = { restartDelayMs: 1_000, longestRestartDelayMs: 60_000 };
  assert.deepEqual(
    [0, 1, 2, 3, 4, 7, 8, 9, 5_000].map((failures) => restartDelayMs(failures, settings)),
    [0, 0, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000],
  );
});
