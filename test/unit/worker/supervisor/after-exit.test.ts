import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterExit, MAX_FAILURES_IN_A_ROW } from '../../../../worker/supervisor/after-exit.js';

const died = { code: null, signal: 'SIGKILL' } as const;

test('a worker that dies is started again, later each time, and ends the pod where it goes on dying', () => {
  const actions = Array.from({ length: MAX_FAILURES_IN_A_ROW }, (_, i) => afterExit(died, i + 1));
  assert.deepEqual(actions, [
    { kind: 'start-again', delayMs: 0 },
    { kind: 'start-again', delayMs: 1_000 },
    { kind: 'start-again', delayMs: 2_000 },
    { kind: 'start-again', delayMs: 4_000 },
    { kind: 'end-pod', code: 1 },
  ]);
});

test('so is one that failed, that could not be started, and that ended by a code of the system', () => {
  for (const code of [1, 134, 137, null]) {
    assert.deepEqual(afterExit({ code, signal: null }, 1), { kind: 'start-again', delayMs: 0 }, `${code}`);
  }
});

test('bad input ends the pod at once', () => {
  assert.deepEqual(afterExit({ code: 2, signal: null }, 1), { kind: 'end-pod', code: 2 });
});

test('a worker that was let go is asked for again, however often it failed before', () => {
  for (const failures of [0, MAX_FAILURES_IN_A_ROW]) {
    assert.deepEqual(afterExit({ code: 0, signal: null }, failures), { kind: 'let-go', askAgainMs: 30_000 });
  }
});
