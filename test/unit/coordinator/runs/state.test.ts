import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasEnded, mayBecome, runStates } from '../../../../coordinator/runs/state.js';

test('only these transitions exist', () => {
  const allowed = runStates.flatMap((from) =>
    runStates.filter((to) => mayBecome(from, to)).map((to) => `${from} → ${to}`),
  );
  assert.deepEqual(allowed, [
    'queued → starting',
    'queued → failed',
    'queued → cancelled',
    'starting → queued',
    'starting → running',
    'starting → completed',
    'starting → failed',
    'starting → cancelled',
    'running → queued',
    'running → recovering',
    'running → completed',
    'running → failed',
    'running → cancelled',
    'recovering → queued',
    'recovering → running',
    'recovering → failed',
    'recovering → cancelled',
    'failed → queued',
    'cancelled → queued',
  ]);
});

test('completed, failed and cancelled runs have ended', () => {
  assert.deepEqual(runStates.filter(hasEnded), ['completed', 'failed', 'cancelled']);
});
