import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionFor, type LossKind } from '../../../../coordinator/cluster/failure-policy.js';

const onLoss = (kind: LossKind, failuresInARow = 1, maxRestarts = 2) =>
  actionFor({ kind, failuresInARow, maxRestarts });

test('what would fail again in the same way fails the run', () => {
  assert.equal(onLoss('config-error'), 'fail-run');
  assert.equal(onLoss('config-exit'), 'fail-run');
});

test('a worker is started again max_restarts times in a row, and not more', () => {
  const kinds = [
    'worker-failed',
    'worker-died',
    'worker-silent',
    'stream-lost',
    'never-joined',
    'evicted',
  ] as const;
  for (const kind of kinds) {
    assert.deepEqual(
      [1, 2, 3].map((failures) => onLoss(kind, failures)),
      ['restart-worker', 'restart-worker', 'give-worker-up'],
      kind,
    );
    assert.equal(onLoss(kind, 1, 0), 'give-worker-up');
  }
});

test('to leave is no failure, and to be unlike the others is for good', () => {
  assert.equal(onLoss('worker-left', 99), 'restart-worker');
  assert.equal(onLoss('unlike', 1, 99), 'give-worker-up');
});

test('a collective is tried again, then somebody goes', () => {
  const inARow = (times: number, suspected: boolean) =>
    actionFor({ kind: 'collective-failed', inARow: times, suspected });
  assert.deepEqual(
    [1, 2, 3].map((times) => inARow(times, true)),
    ['retry', 'retry', 'evict-suspect'],
  );
  assert.deepEqual(
    [1, 2, 3].map((times) => inARow(times, false)),
    ['retry', 'retry', 'fail-run'],
  );
});

test('numbers that are not finite, too few workers, and a lost state', () => {
  assert.equal(actionFor({ kind: 'non-finite', onNonfinite: 'fail' }), 'fail-run');
  assert.equal(actionFor({ kind: 'non-finite', onNonfinite: 'skip' }), 'skip-step');
  assert.equal(actionFor({ kind: 'too-few-workers', enoughMayCome: true }), 'wait');
  assert.equal(actionFor({ kind: 'too-few-workers', enoughMayCome: false }), 'fail-run');
  assert.equal(actionFor({ kind: 'state-lost', holderMayCome: true }), 'wait');
  assert.equal(actionFor({ kind: 'state-lost', holderMayCome: false }), 'restore-checkpoint');
});
