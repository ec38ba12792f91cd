import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { KubernetesLauncher } from '../../../../../coordinator/launch/kubernetes/kubernetes-launcher.js';
import type { KubernetesSettings } from '../../../../../coordinator/launch/kubernetes/settings.js';
import type { Workforce, WorkforceEvents } from '../../../../../coordinator/launch/launcher.js';
import { ConfigError, RunError } from '../../../../../lib/errors.js';
import { FakeApiServer } from '../../../../support/kubernetes/fake-api-server.js';
import { FakeJobController } from '../../../../support/kubernetes/fake-job-controller.js';
import { waitUntil } from '../../../../support/wait-until.js';
import { run, settings } from './fixtures.js';

const job = 'prospect-run-1';
const patience = { pauseMs: 1, waitingMs: 1, settleMs: 1, goneMs: 20_000, leftoversMs: 3_600_000 };

interface Cluster {
  readonly server: FakeApiServer;
  readonly controller: FakeJobController;
  /** What was told, one line each. */
  readonly told: string[];
  readonly failures: Error[];
  readonly connect: (changes?: Partial<KubernetesSettings>) => Promise<KubernetesLauncher>;
  readonly open: (launcher: KubernetesLauncher) => Workforce;
  readonly heard: (line: RegExp | string) => Promise<void>;
}

async function makeCluster(t: TestContext): Promise<Cluster> {
  const server = await FakeApiServer.start(t);
  const controller = new FakeJobController(server);
  const ownerReferences = [
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      name: 'demo-prospect-coordinator',
      uid: 'owner',
      controller: true,
    },
  ];
  server.put('pods', settings.pod, { metadata: { ownerReferences }, spec: {} });
  const told: string[] = [];
  const failures: Error[] = [];
  const events: WorkforceEvents = {
    started: (workerId) => told.push(`started ${workerId}`),
    exited: (workerId, { code, signal }) => told.push(`exited ${workerId} ${code ?? signal ?? 'never'}`),
    left: () => undefined,
    gone: (workerId, reason) => told.push(`gone ${workerId} ${reason}`),
    waits: (reason) => told.push(`waits ${reason}`),
    failed: (error) => failures.push(error),
  };
  const open = (launcher: KubernetesLauncher) => {
    const workforce = launcher.openRun(run, events);
    t.after(() => workforce.abandon!());
    return workforce;
  };
  const connect = async (changes: Partial<KubernetesSettings> = {}) => {
    const options = { settings: { ...settings, ...changes }, log: pino({ level: 'silent' }), patience };
    const launcher = await KubernetesLauncher.connect(options, server.api);
    t.after(() => launcher.close());
    return launcher;
  };
  const heard = (line: RegExp | string) =>
    waitUntil(
      () => told.some((each) => (typeof line === 'string' ? each === line : line.test(each))),
      `${String(line)} in ${told.join('; ')}`,
    );
  return { server, controller, told, failures, connect, open, heard };
}

/** Two nodes with two workers each, which run. */
async function startRun(t: TestContext) {
  const cluster = await makeCluster(t);
  const launcher = await cluster.connect();
  const workforce = cluster.open(launcher);
  workforce.setWorkers(4);
  await waitUntil(() => cluster.server.all('pods').length === 3, 'two pods besides the coordinator’s');
  for (const node of [0, 1]) cluster.controller.run(job, node);
  await cluster.heard('started worker-3');
  return { ...cluster, launcher, workforce };
}

test('workers are told of when their pod runs, and when it has ended', async (t) => {
  const { controller, told, heard } = await startRun(t);
  assert.deepEqual(told, ['started worker-0', 'started worker-1', 'started worker-2', 'started worker-3']);
  controller.end(job, 1, 1);
  await heard('exited worker-3 1');
  assert.deepEqual(told.slice(4), ['exited worker-2 1', 'exited worker-3 1']);
  controller.run(job, 1);
  await waitUntil(() => told.length === 8, 'the next pod');
  assert.deepEqual(told.slice(6), ['started worker-2', 'started worker-3']);
});

test('a node whose worker hangs gets another pod; one whose supervisor goes on does not', async (t) => {
  const { server, controller, workforce, heard, told } = await startRun(t);
  const before = [controller.pod(job, 0), controller.pod(job, 1)].map(({ metadata }) => metadata.uid);
  workforce.restart('worker-1', { delayMs: 0, hangs: true });
  workforce.restart('worker-2', { delayMs: 0, hangs: false });
  await heard('exited worker-1 SIGKILL');
  await waitUntil(
    () => told.filter((line) => line === 'started worker-2').length === 2,
    'the supervisor’s restart',
  );
  assert.notEqual(controller.pod(job, 0).metadata.uid, before[0]);
  assert.equal(controller.pod(job, 1).metadata.uid, before[1]);
  assert.equal(server.calls.filter((call) => call === 'DELETE pods').length, 1);
});

test('a resize changes the Job in place; a node that gets further workers gets another pod', async (t) => {
  const { server, controller, workforce } = await startRun(t);
  const size = () => {
    const spec = server.find('jobs', job)?.spec as Record<string, number>;
    return [spec['completions'], spec['parallelism'], spec['maxFailedIndexes']].join(' ');
  };
  workforce.setWorkers(1);
  await waitUntil(() => size() === '1 1 0', `a Job of one pod, not ${size()}`);
  const first = controller.pod(job, 0).metadata.uid;
  workforce.setWorkers(5);
  await waitUntil(() => size() === '3 3 2', `a Job of three pods, not ${size()}`);
  assert.notEqual(controller.pod(job, 0).metadata.uid, first);
  assert.equal(server.all('jobs').length, 1);
});

test('the next coordinator takes the Job over as it is, with the workers that were there', async (t) => {
  const { server, workforce, told, connect, open, heard } = await startRun(t);
  const { uid } = server.find('jobs', job)!.metadata;
  await workforce.abandon!();
  told.length = 0;
  const launcher = await connect({ gpusPerNode: 8 });
  await launcher.endLeftovers(() => true);
  open(launcher).setWorkers(5);
  await heard('started worker-3');
  await waitUntil(
    () => server.find('jobs', job)?.spec?.['completions'] === 3,
    'its own layout of two a node',
  );
  assert.equal(server.find('jobs', job)?.metadata.uid, uid);
});

test('a Job that has finished is no start: it is made anew', async (t) => {
  const { server, controller, workforce, connect, open } = await startRun(t);
  const { uid } = server.find('jobs', job)!.metadata;
  await workforce.abandon!();
  controller.setJobStatus(job, { conditions: [{ type: 'Failed', status: 'True' }] });
  open(await connect()).setWorkers(2);
  await waitUntil(() => ![undefined, uid].includes(server.find('jobs', job)?.metadata.uid), 'another Job');
});

test('the Job of someone else under that name is left alone', async (t) => {
  const { server, failures, connect, open } = await makeCluster(t);
  server.put('jobs', job, { metadata: {}, spec: { completions: 0 } });
  open(await connect()).setWorkers(2);
  await waitUntil(() => failures.length === 1, 'the failure');
  assert.ok(failures[0] instanceof RunError);
  assert.match(
    failures[0].message,
    /^there is a Job prospect-run-1 already, which demo-prospect-coordinator did not make/,
  );
});

test('Jobs of runs that have ended are deleted, and nobody else’s', async (t) => {
  const { server, connect } = await makeCluster(t);
  const put = (name: string, uid: string) =>
    server.put('jobs', name, {
      metadata: {
        labels: { 'prospect.dev/run': name },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'x', uid }],
      },
      spec: { completions: 0 },
    });
  for (const name of ['ended', 'under-way']) put(name, 'owner');
  put('of-another-release', 'another owner');
  const launcher = await connect();
  await launcher.endLeftovers((runId) => runId === 'under-way');
  assert.deepEqual(
    server.all('jobs').map(({ metadata }) => metadata.name),
    ['under-way', 'of-another-release'],
  );
});

test('at the end the Job goes, and its pods', async (t) => {
  const { server, workforce } = await startRun(t);
  await workforce.close({ graceMs: 0 });
  assert.deepEqual(server.all('jobs'), []);
  assert.deepEqual(
    server.all('pods').map(({ metadata }) => metadata.name),
    [settings.pod],
  );
  await waitUntil(() => server.watches === 0, 'the end of the watches');
});

test('workers that are told to end are waited for', async (t) => {
  const { controller, workforce, told } = await startRun(t);
  let over = false;
  const dismissed = workforce.dismiss().then(() => (over = true));
  controller.end(job, 0, 0);
  await waitUntil(() => controller.pod(job, 0).status?.['phase'] === 'Succeeded', 'the first end');
  assert.ok(!over);
  controller.end(job, 1, 0);
  await dismissed;
  assert.equal(told.length, 4, 'and nothing is told of it');
});

test('a node that gets no pod any more is told of, with how the last one ended', async (t) => {
  const { controller, heard } = await startRun(t);
  controller.end(job, 1, 1, '{"msg":"no GPU"}');
  controller.setJobStatus(job, { failedIndexes: '1' });
  await heard(
    /^gone worker-2 gets no pod any more after the last one, which exited with code 1 \(.*: no GPU\): index 1/,
  );
  await heard(/^gone worker-3/);
});

test('a Job that fails by bad input is the user’s matter, any other failure is not', async (t) => {
  for (const [reason, kind] of [
    ['PodFailurePolicy', ConfigError],
    ['MaxFailedIndexesExceeded', RunError],
  ] as const) {
    const { controller, failures, heard } = await startRun(t);
    const condition = { status: 'True', reason, message: 'words' };
    controller.setJobStatus(job, { conditions: [{ ...condition, type: 'FailureTarget' }] });
    controller.end(job, 0, 2, '{"msg":"bad model"}');
    await heard('exited worker-0 2');
    controller.setJobStatus(job, { conditions: [{ ...condition, type: 'Failed' }] });
    await waitUntil(() => failures.length === 1, 'the failure');
    assert.ok(failures[0] instanceof kind);
    assert.match(failures[0].message, /^the Job prospect-run-1 has failed: words \(pod .*: bad model\)$/);
  }
});

test('what Kubernetes refuses fails the run in its words; what it cannot do now is tried again', async (t) => {
  const { server, failures, connect, open } = await makeCluster(t);
  const launcher = await connect();
  const answer = (status: number, message: string) => ({ status, body: { message } });
  server.failures.set('POST jobs', [answer(500, 'no leader'), answer(403, 'exceeded quota: pods=0')]);
  open(launcher).setWorkers(2);
  await waitUntil(() => failures.length === 1, 'the failure');
  assert.equal(
    failures[0]?.message,
    'Kubernetes refuses the Job prospect-run-1, or to tell of it: exceeded quota: pods=0',
  );
});

test('pods that no node takes say why', async (t) => {
  const { controller, server, connect, open, heard } = await makeCluster(t);
  open(await connect()).setWorkers(2);
  await waitUntil(() => server.all('pods').length === 2, 'a pod');
  controller.holdUp(job, 0, '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.');
  await heard('waits node 0: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.');
});

test('Kueue’s words are told while it keeps a Job suspended, and pods come when it lets it go on', async (t) => {
  const { server, controller, connect, open, heard } = await makeCluster(t);
  server.knowGroup('kueue.x-k8s.io', 'v1beta2');
  const queueing = { mode: 'kueue', queue: 'trainers' } as const;
  open(await connect({ queueing })).setWorkers(2);
  await heard('waits the Job prospect-run-1 is suspended');
  const { uid } = server.find('jobs', job)!.metadata;
  const message = 'insufficient unused quota for nvidia.com/gpu in flavor default, 3 more needed';
  server.put('workloads', 'job-prospect-run-1-abcde', {
    metadata: { labels: { 'kueue.x-k8s.io/job-uid': uid } },
    status: { conditions: [{ type: 'QuotaReserved', status: 'False', message }] },
  });
  await heard(`waits ${message}`);
  server.put('jobs', job, { spec: { ...server.find('jobs', job)?.spec, suspend: false } });
  await waitUntil(() => server.all('pods').length === 2, 'a pod');
  controller.run(job, 0);
  await heard('started worker-1');
});

test('Volcano gets a group that goes with the Job, and is as large as that', async (t) => {
  const { server, connect, open } = await makeCluster(t);
  server.knowGroup('scheduling.volcano.sh', 'v1beta1');
  const workforce = open(await connect({ queueing: { mode: 'volcano', queue: 'trainers' } }));
  workforce.setWorkers(4);
  const group = () => server.find('podgroups', job);
  await waitUntil(() => group()?.spec?.['minMember'] === 2, 'a group of two');
  assert.deepEqual(group()?.spec, { minMember: 2, queue: 'trainers' });
  assert.equal(group()?.metadata.ownerReferences?.[0]?.uid, server.find('jobs', job)?.metadata.uid);
  workforce.setWorkers(6);
  await waitUntil(() => group()?.spec?.['minMember'] === 3, 'a group of three');
});

test('what a cluster lacks is said at the start', async (t) => {
  const { server, connect } = await makeCluster(t);
  const refused = (
    changes: Partial<KubernetesSettings>,
    kind: typeof ConfigError | typeof RunError,
    words: RegExp,
  ) => assert.rejects(connect(changes), (error: Error) => error instanceof kind && words.test(error.message));
  await refused({ queueing: { mode: 'kueue', queue: 'q' } }, ConfigError, /does not know kueue\.x-k8s\.io/);
  await refused({ workerTemplate: '/nowhere' }, ConfigError, /cannot read the worker template \/nowhere/);
  await refused({ pod: 'nobody' }, RunError, /"nobody" not found/);
  server.put('pods', 'alone', { metadata: {}, spec: {} });
  await refused({ pod: 'alone' }, ConfigError, /--pod alone: no pod of a StatefulSet/);
});
