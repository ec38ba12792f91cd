import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { Crew, type Session } from '../../../../coordinator/cluster/crew.js';
import type { ToWorker } from '../../../../coordinator/cluster/crew-member.js';
import { Disturbance } from '../../../../coordinator/cluster/generation.js';
import { defaultClusterSettings } from '../../../../coordinator/cluster/settings.js';
import { RunError } from '../../../../lib/errors.js';
import type { v1 } from '../../../../proto/services.js';

const settings = {
  ...defaultClusterSettings,
  heartbeatIntervalMs: 100,
  heartbeatTimeoutMs: 1_000,
  suspectTimeoutMs: 300,
  failureSettleMs: 200,
};

const committed = new Map([
  [1, { skipped: false }],
  [2, { skipped: true }],
]);

function makeCrew(t: TestContext) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const losses: string[] = [];
  const crew = new Crew(settings, undefined, {
    expects: (workerId) => workerId.length === 'worker-0'.length,
    lost: ({ workerId, kind, reason }) => losses.push(`${workerId} ${kind}: ${reason}`),
    released: () => undefined,
  });
  t.after(() => {
    crew.close('the test is over');
    mock.timers.reset();
  });
  crew.openStage({
    start: { stage: 1, heartbeatIntervalMs: 100 },
    commitOf: (step) => committed.get(step),
    onCheckpointPart: () => undefined,
    onGone: () => undefined,
  });
  return { crew, losses };
}

interface Joined {
  readonly session: Session;
  readonly sent: ToWorker[];
  readonly ended: () => boolean;
}

function join(crew: Crew, rank: number, changes: Partial<v1.Hello.$Properties> = {}): Joined {
  const sent: ToWorker[] = [];
  let ended = false;
  const hello = {
    runId: 'run',
    workerId: `worker-${rank}`,
    sessionId: `session-${rank}`,
    collectiveEndpoint: `tcp://127.0.0.1:${5000 + rank}`,
    fingerprint: { tensorflowVersion: '2.21.0', device: 'avx2', threads: 2 },
    ...changes,
  };
  const session = crew.admit(hello, { send: (message) => sent.push(message), end: () => (ended = true) });
  return { session, sent, ended: () => ended };
}

function joinReady(crew: Crew, rank: number): Joined {
  const joined = join(crew, rank);
  joined.session.received({ stageReady: { stage: 1 } });
  return joined;
}

const idsOf = (members: readonly { readonly workerId: string }[]) => members.map(({ workerId }) => workerId);
const kindsOf = (sent: readonly ToWorker[]) => sent.map((message) => Object.keys(message)[0]);
const never = new AbortController().signal;

test('whoever has the stage open is eligible, in the order of the ids', (t) => {
  const { crew } = makeCrew(t);
  joinReady(crew, 1);
  const first = join(crew, 0);
  assert.deepEqual(kindsOf(first.sent), ['stageStart']);
  assert.deepEqual(idsOf(crew.eligible), ['worker-1']);
  first.session.received({ stageReady: { stage: 2 } });
  assert.deepEqual(idsOf(crew.eligible), ['worker-1']);
  first.session.received({ stageReady: { stage: 1 } });
  assert.deepEqual(idsOf(crew.eligible), ['worker-0', 'worker-1']);
});

test('a worker that would compute other bits is refused, with the difference named', (t) => {
  const { crew, losses } = makeCrew(t);
  join(crew, 0);
  const text = 'worker-1 is not like worker-0: its thread count is 1, not 2';
  assert.throws(
    () => join(crew, 1, { fingerprint: { tensorflowVersion: '2.21.0', device: 'avx2', threads: 1 } }),
    (error) => error instanceof RunError && error.message.startsWith(text),
  );
  assert.match(losses[0]!, /^worker-1 unlike: is not like worker-0/);
});

test('a worker that does not encrypt, where another does, is refused, and the other way round', (t) => {
  const encrypted = { collectivePublicKey: 'k'.repeat(40) };
  for (const [first, second, text] of [
    [{}, encrypted, /its --collective-security is curve, not plain/],
    [encrypted, {}, /its --collective-security is plain, not curve/],
  ] as const) {
    const { crew, losses } = makeCrew(t);
    join(crew, 0, first);
    assert.throws(() => join(crew, 1, second), text);
    assert.match(losses[0]!, /^worker-1 unlike: is not like worker-0/);
    mock.timers.reset();
  }
});

test('members are told one another by their keys, which must be such', (t) => {
  const { crew } = makeCrew(t);
  const collectivePublicKey = '0'.repeat(39) + '}';
  join(crew, 0, { collectivePublicKey }).session.received({ stageReady: { stage: 1 } });
  assert.equal(crew.eligible[0]!.record.collectivePublicKey, collectivePublicKey);
  assert.throws(() => join(crew, 1, { collectivePublicKey: 'key' }), /worker-1 says .*"key", which is none/);
});

test('a stranger, and a hello that is not complete, are refused', (t) => {
  const { crew } = makeCrew(t);
  assert.throws(() => join(crew, 77), /no place for worker-77/);
  assert.throws(() => join(crew, 0, { sessionId: '' }), /lacks its id, session/);
  const held = { stage: 1, step: 1, rank: 2, worldSize: 2 };
  assert.throws(() => join(crew, 0, { held }), /rank 2 of 2/);
});

test('another process of the same id takes its place, and the one before is told to stop', (t) => {
  const { crew, losses } = makeCrew(t);
  const before = joinReady(crew, 0);
  const generation = crew.assemble(1, crew.eligible, never);
  const after = join(crew, 0, { sessionId: 'another' });
  assert.deepEqual(kindsOf(before.sent), ['stageStart', 'stop']);
  assert.ok(before.ended());
  assert.ok(generation.signal.aborted);
  // What still comes from the one before counts no more.
  before.session.received({ leaving: { reason: 'late' } });
  before.session.closed();
  after.session.received({ stageReady: { stage: 1 } });
  assert.deepEqual(idsOf(crew.eligible), ['worker-0']);
  mock.timers.tick(10_000);
  assert.deepEqual(
    losses.filter((loss) => loss.includes('stream-lost')),
    [],
  );
});

test('a generation ends at once when a member’s stream closes, and the member may come back', (t) => {
  const { crew, losses } = makeCrew(t);
  joinReady(crew, 0);
  const second = joinReady(crew, 1);
  const generation = crew.assemble(1, crew.eligible, never);
  second.session.closed();
  assert.ok(generation.signal.reason instanceof Disturbance);
  assert.equal(generation.signal.reason.kind, 'member-lost');
  assert.deepEqual(idsOf(crew.eligible), ['worker-0']);
  assert.ok(crew.holderMayCome);
  mock.timers.tick(199);
  join(crew, 1);
  mock.timers.tick(1_000);
  assert.deepEqual(
    losses.filter((loss) => loss.includes('stream-lost')),
    [],
  );
});

test('a session that was given up does not come back', (t) => {
  const { crew, losses } = makeCrew(t);
  const { session } = joinReady(crew, 0);
  session.closed();
  mock.timers.tick(200);
  assert.deepEqual(losses, ['worker-0 stream-lost: closed its stream without saying why']);
  assert.throws(() => join(crew, 0), /worker-0 was given up already/);
  join(crew, 0, { sessionId: 'fresh' });
});

test('late heartbeats are forgiven; long silence is not; with a peer’s suspicion it need not be so long', (t) => {
  const { crew, losses } = makeCrew(t);
  const sessions = [0, 1, 2].map((rank) => joinReady(crew, rank).session);
  const generation = crew.assemble(4, crew.eligible, never);
  mock.timers.tick(200);
  sessions[0]!.received({ collectiveFailure: { generation: 3, reason: 'old', suspects: ['worker-1'] } });
  assert.ok(!generation.signal.aborted);
  sessions[0]!.received({
    collectiveFailure: { generation: 4, reason: 'no answer', suspects: ['worker-1'] },
  });
  assert.equal((generation.signal.reason as Disturbance).kind, 'collective-failed');
  mock.timers.tick(100);
  assert.equal(losses.length, 1);
  assert.match(losses[0]!, /^worker-1 worker-silent: has not been heard of/);
  for (let beat = 0; beat < 20; beat++) {
    sessions[0]!.received({ heartbeat: {} });
    if (beat % 8 === 0) sessions[2]!.received({ heartbeat: {} });
    mock.timers.tick(100);
  }
  assert.equal(losses.length, 1);
  for (let beat = 0; beat < 10; beat++) {
    sessions[0]!.received({ heartbeat: {} });
    mock.timers.tick(100);
  }
  assert.match(losses[1]!, /^worker-2 worker-silent: has not been heard of for 1 s/);
});

test('a commit that a worker missed is sent before the stage; what was not committed is not', (t) => {
  const { crew } = makeCrew(t);
  const held = { stage: 1, step: 1, proposedStep: 2, rank: 0, worldSize: 2 };
  const { sent } = join(crew, 0, { held });
  assert.deepEqual(sent[0], { stepCommit: { stage: 1, step: 2, skipped: true } });
  assert.deepEqual(kindsOf(sent), ['stepCommit', 'stageStart']);
  const ahead = join(crew, 1, { held: { ...held, step: 2, proposedStep: 3, rank: 1 } });
  assert.deepEqual(kindsOf(ahead.sent), ['stageStart']);
  assert.deepEqual(
    crew.holdings.map((state) => state?.step),
    [2, 2],
  );
  assert.deepEqual(idsOf(crew.holdersOf(1, { step: 2, worldSize: 2 })), ['worker-0', 'worker-1']);
});

test('what a member said before it was ready for the generation belongs to an older one', async (t) => {
  const { crew } = makeCrew(t);
  const { session } = joinReady(crew, 0);
  const generation = crew.assemble(2, crew.eligible, never);
  session.received({ modelSaved: { stage: 1, directory: 'old' } });
  session.received({ generationReady: { generation: 1 } });
  session.received({ stepReport: { step: 7, generation: 1 } });
  session.received({ generationReady: { generation: 2 } });
  session.received({ stepReport: { step: 8, generation: 2 } });
  assert.deepEqual(await generation.collect('generationReady'), [{ generation: 2 }]);
  assert.equal((await generation.receive(0, 'stepReport')).step, 8);
  session.received({ stepReport: { step: 9 } });
  await assert.rejects(
    generation.receive(0, 'modelSaved'),
    /worker-0 sent stepReport where modelSaved was due/,
  );
});

test('members hold a generation’s partition from its first work on', (t) => {
  const { crew } = makeCrew(t);
  joinReady(crew, 0);
  joinReady(crew, 1);
  const generation = crew.assemble(1, crew.eligible, never);
  assert.deepEqual(crew.holdings, [null, null]);
  generation.hold(1, 0);
  generation.commit({ stage: 1, step: 1, skipped: false, checkpoint: '' });
  assert.deepEqual(crew.holdings, [
    { stage: 1, step: 1, rank: 0, worldSize: 2 },
    { stage: 1, step: 1, rank: 1, worldSize: 2 },
  ]);
});

test('one that asks to leave is no member of the next generation, and is let go', (t) => {
  const { crew, losses } = makeCrew(t);
  joinReady(crew, 0);
  const leaver = joinReady(crew, 1);
  const generation = crew.assemble(1, crew.eligible, never);
  leaver.session.received({ leaving: { reason: 'SIGTERM' } });
  assert.equal((generation.signal.reason as Disturbance).kind, 'member-leaving');
  assert.deepEqual(idsOf(crew.eligible), ['worker-0']);
  assert.deepEqual(idsOf(crew.leavers), ['worker-1']);
  crew.release(crew.leavers[0]!);
  assert.deepEqual(kindsOf(leaver.sent), ['stageStart', 'stop']);
  assert.deepEqual(crew.leavers, []);
  leaver.session.closed();
  mock.timers.tick(900);
  crew.exited('worker-1', { code: 0, signal: null });
  assert.deepEqual(losses.slice(0, 1), ['worker-1 worker-left: left: SIGTERM']);
});
