import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootCause, type Evidence } from '../../../../coordinator/cluster/root-cause.js';
import { ConfigError } from '../../../../lib/errors.js';

const worker = (workerId: string, evidence: Partial<Evidence> = {}): Evidence => ({
  workerId,
  logFile: `logs/${workerId}.log`,
  stream: 'open',
  report: null,
  exit: null,
  silentMs: null,
  ...evidence,
});

const complaint = { reason: 'lost peer worker-1', origin: 'peer' } as const;
const killed = { code: null, signal: 'SIGKILL' } as const;

const now = (...workers: Evidence[]) => rootCause(workers, { settled: false })?.message;
const later = (...workers: Evidence[]) => rootCause(workers, { settled: true })?.message;

test('a killed worker is the cause, not the peer that complains first', () => {
  const first = worker('worker-0', { report: complaint });
  assert.equal(now(first, worker('worker-1')), undefined);
  assert.equal(
    now(first, worker('worker-1', { stream: 'closed', exit: killed })),
    'worker-1 was killed by SIGKILL in the middle of the run; see logs/worker-1.log',
  );
});

test('a peer that gave up and left is a consequence as well', () => {
  const gaveUp = worker('worker-0', { report: complaint, stream: 'closed', exit: { code: 1, signal: null } });
  assert.equal(now(gaveUp, worker('worker-1')), undefined);
  assert.match(
    later(gaveUp, worker('worker-1', { silentMs: 60_000 }))!,
    /worker-1 has not been heard of for 60 s/,
  );
  assert.equal(later(gaveUp, worker('worker-1')), 'worker-0: lost peer worker-1; see logs/worker-0.log');
});

test('what a worker says of itself comes before how its process ended', () => {
  const failed = worker('worker-1', {
    report: { reason: 'out of memory', origin: 'runtime' },
    stream: 'closed',
    exit: { code: 1, signal: null },
  });
  assert.equal(now(failed), 'worker-1 failed: out of memory; see logs/worker-1.log');
});

test('an exit waits until the stream has been read to its end', () => {
  const exit = { code: 3, signal: null };
  assert.equal(now(worker('worker-0', { exit })), undefined);
  assert.match(now(worker('worker-0', { exit, stream: 'closed' }))!, /worker-0 exited with code 3/);
  assert.match(now(worker('worker-0', { exit, stream: 'none' }))!, /worker-0 exited with code 3/);
});

test('a stream that closes alone is blamed only when nothing else turns up', () => {
  const lost = worker('worker-0', { stream: 'closed' });
  assert.equal(now(lost), undefined);
  assert.match(later(lost)!, /worker-0 closed its stream/);
});

test('a bad model or setting is a ConfigError in the worker’s own words', () => {
  const cause = rootCause(
    [worker('worker-0', { report: { reason: 'model: config.json is missing', origin: 'config' } })],
    { settled: false },
  );
  assert.ok(cause instanceof ConfigError);
  assert.equal(cause.message, 'model: config.json is missing');
});
