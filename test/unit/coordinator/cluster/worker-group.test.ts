import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { WorkerGroup, type ToWorker } from '../../../../coordinator/cluster/worker-group.js';
import { RunError } from '../../../../lib/errors.js';
import { v1 } from '../../../../proto/services.js';

const settings = {
  joinTimeoutMs: 5_000,
  heartbeatIntervalMs: 100,
  heartbeatTimeoutMs: 1_000,
  failureSettleMs: 200,
  stopGraceMs: 1_000,
};

function makeGroup(t: TestContext, workers = 2) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const abort = new AbortController();
  const specs = Array.from({ length: workers }, (_, i) => ({ workerId: `worker-${i}`, logFile: null }));
  const group = new WorkerGroup(specs, settings, (error) => abort.abort(error));
  t.after(() => {
    group.close();
    mock.timers.reset();
  });
  const failure = () => (abort.signal.aborted ? (abort.signal.reason as Error).message : undefined);
  return { group, signal: abort.signal, failure };
}

const helloOf = (rank: number, threads = 2): v1.Hello.$Properties => ({
  runId: 'run',
  workerId: `worker-${rank}`,
  collectiveEndpoint: `tcp://127.0.0.1:${5000 + rank}`,
  fingerprint: { tensorflowVersion: '2.21.0', device: 'avx2', threads },
});

function join(group: WorkerGroup, rank: number): ToWorker[] {
  const sent: ToWorker[] = [];
  group.admit(helloOf(rank), { send: (message) => sent.push(message) });
  return sent;
}

test('membership goes out when all have joined, by rank whatever the order of joining', async (t) => {
  const { group, signal } = makeGroup(t);
  const forming = group.form(1, signal);
  const second = join(group, 1);
  assert.equal(second.length, 0);
  const first = join(group, 0);
  const members = await forming;
  assert.deepEqual(
    members.map(({ workerId }) => workerId),
    ['worker-0', 'worker-1'],
  );
  assert.deepEqual(
    [first, second].map((sent) => sent.map(({ membership }) => membership?.rank)),
    [[0], [1]],
  );
});

test('a worker that would compute other bits is refused, with the difference named', async (t) => {
  const { group, signal, failure } = makeGroup(t);
  const forming = group.form(1, signal);
  join(group, 0);
  const text = 'worker-1 is not like worker-0: its thread count is 1, not 2';
  assert.throws(
    () => group.admit(helloOf(1, 1), { send: () => undefined }),
    (error) => error instanceof RunError && error.message.startsWith(text),
  );
  await assert.rejects(forming, RunError);
  assert.ok(failure()?.startsWith(text));
});

test('a stranger and a second worker of the same name are refused, and the run goes on', (t) => {
  const { group, failure } = makeGroup(t);
  join(group, 0);
  assert.throws(() => join(group, 0), /worker-0 has already joined/);
  assert.throws(() => join(group, 7), /no worker worker-7/);
  assert.equal(failure(), undefined);
});

test('workers that do not join in time are named', async (t) => {
  const { group, signal } = makeGroup(t, 3);
  const forming = group.form(1, signal);
  join(group, 1);
  mock.timers.tick(settings.joinTimeoutMs);
  await assert.rejects(forming, /worker-0, worker-2 did not join within 5 s/);
});

test('late heartbeats are forgiven; long silence is not', async (t) => {
  const { group, signal, failure } = makeGroup(t);
  const forming = group.form(1, signal);
  join(group, 0);
  join(group, 1);
  await forming;
  mock.timers.tick(900);
  group.received('worker-0', { heartbeat: {} });
  group.received('worker-1', { heartbeat: {} });
  mock.timers.tick(900);
  group.received('worker-0', { heartbeat: {} });
  assert.equal(failure(), undefined);
  mock.timers.tick(100);
  mock.timers.tick(settings.failureSettleMs);
  assert.match(failure()!, /worker-1 has not been heard of for 1 s/);
});

test('a message of the wrong kind is an error that names worker and kind', async (t) => {
  const { group, signal } = makeGroup(t, 1);
  const forming = group.form(1, signal);
  join(group, 0);
  await forming;
  group.received('worker-0', { stageReady: { stage: 1 } });
  await assert.rejects(
    group.collect('stepReport', signal),
    /worker-0 sent stageReady where stepReport was due/,
  );
});

test('whoever waits for workers is told of the root cause', async (t) => {
  const { group, signal } = makeGroup(t);
  const forming = group.form(1, signal);
  join(group, 0);
  join(group, 1);
  await forming;
  const waiting = group.collect('stepReport', signal);
  group.received('worker-0', {
    failure: { reason: 'lost peer', origin: v1.FailureOrigin.FAILURE_ORIGIN_PEER },
  });
  group.disconnected('worker-0');
  group.exited('worker-1', { code: null, signal: 'SIGKILL' });
  group.disconnected('worker-1');
  await assert.rejects(waiting, /worker-1 was killed by SIGKILL/);
});
