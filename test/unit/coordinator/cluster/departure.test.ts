import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { Departure } from '../../../../coordinator/cluster/departure.js';
import type { Evidence, Loss } from '../../../../coordinator/cluster/loss.js';

const nothing: Evidence = { stream: 'open', report: null, exit: null, leaving: null, verdict: null };
const killed = { code: null, signal: 'SIGKILL' } as const;

function begin(t: TestContext, evidence: Partial<Evidence> = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const losses: Loss[] = [];
  const departure = new Departure('worker-1', { ...nothing, ...evidence }, 200, (loss) => losses.push(loss));
  return { departure, losses, kinds: () => losses.map(({ kind, reason }) => `${kind}: ${reason}`) };
}

test('an exit counts once the stream has been read to its end', (t) => {
  const { departure, kinds } = begin(t);
  departure.note({ exit: { code: 3, signal: null } });
  assert.deepEqual(kinds(), []);
  departure.note({ stream: 'closed' });
  assert.deepEqual(kinds(), ['worker-died: exited with code 3 in the middle of the run']);
});

test('what a worker says of itself comes before how its process ended', (t) => {
  const { departure, kinds } = begin(t);
  departure.note({ exit: { code: 1, signal: null } });
  departure.note({ report: { reason: 'out of memory', config: false } });
  departure.note({ stream: 'closed' });
  assert.deepEqual(kinds(), ['worker-failed: failed: out of memory']);
});

test('a bad model or setting is told in the worker’s own words', (t) => {
  const { departure, kinds } = begin(t);
  departure.note({ report: { reason: 'model: config.json is missing', config: true } });
  assert.deepEqual(kinds(), ['config-error: model: config.json is missing']);
});

test('the exit code for bad input fails the run, where the worker could not say more', (t) => {
  const { departure, kinds } = begin(t, { stream: 'none' });
  departure.note({ exit: { code: 2, signal: null } });
  assert.deepEqual(kinds(), ['config-exit: exited with code 2 in the middle of the run']);
});

test('a stream that closes alone is blamed only when nothing else turns up, and may come back until then', (t) => {
  const { departure, kinds } = begin(t);
  departure.note({ stream: 'closed' });
  assert.ok(departure.mayReturn);
  mock.timers.tick(199);
  assert.deepEqual(kinds(), []);
  mock.timers.tick(1);
  assert.deepEqual(kinds(), ['stream-lost: closed its stream without saying why']);
  assert.ok(!departure.mayReturn);
});

test('where it is killed after its stream closed, that is the reason', (t) => {
  const { departure, kinds } = begin(t);
  departure.note({ stream: 'closed' });
  assert.equal(departure.reason, 'closed its stream without saying why');
  departure.note({ exit: killed });
  assert.equal(departure.reason, 'was killed by SIGKILL in the middle of the run');
  assert.deepEqual(kinds(), ['worker-died: was killed by SIGKILL in the middle of the run']);
  departure.note({ verdict: { kind: 'evicted', reason: 'late' } });
  mock.timers.tick(1_000);
  assert.equal(kinds().length, 1);
});

test('one that asked to go has left, however it ends', (t) => {
  const { departure, kinds } = begin(t, { leaving: 'SIGTERM' });
  departure.note({ stream: 'closed', exit: killed });
  assert.deepEqual(kinds(), ['worker-left: left: SIGTERM']);
});

test('one that is back is not lost', async (t) => {
  const { departure, losses } = begin(t);
  departure.note({ stream: 'closed' });
  departure.callOff();
  mock.timers.tick(1_000);
  departure.note({ exit: killed });
  assert.deepEqual(losses, []);
  await departure.explained;
});
