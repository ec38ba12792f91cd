import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { KubernetesLauncher } from '../../coordinator/launch/kubernetes/kubernetes-launcher.js';
import { startCoordinator } from '../../coordinator/server.js';
import { packagePath } from '../../lib/package.js';
import { connect } from '../../proto/calls.js';
import { v1 } from '../../proto/services.js';
import { FakeApiServer } from '../support/kubernetes/fake-api-server.js';
import { FakeJobController } from '../support/kubernetes/fake-job-controller.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { waitUntil } from '../support/wait-until.js';
import { onceAt } from './coordinator-doubles/once-at.js';
import { auditWork, generationsOf, noticesOf, statesOf } from './coordinator-doubles/run-story.js';
import { ScriptedKubelet } from './coordinator-doubles/scripted-kubelet.js';
import type { Script } from './coordinator-doubles/scripted-worker.js';
import {
  eightRows,
  getRun,
  runFileOf,
  submit,
  watch,
  writeRows,
} from './coordinator-doubles/test-coordinator.js';

const { RunState } = v1;
const settings = {
  pod: 'demo-coordinator-0',
  namespace: 'training',
  workerTemplate: packagePath('test/unit/coordinator/launch/kubernetes/fixtures/pod-template-gpu.yaml'),
  gpuResource: 'nvidia.com/gpu',
  // Two for workers, and one for the replica.
  gpusPerNode: 3,
  referenceMode: 'dedicated',
  queueing: { mode: 'none' },
} as const;
const patience = { pauseMs: 1, waitingMs: 1, settleMs: 1, goneMs: 20_000, leftoversMs: 3_600_000 };
/** Three epochs of eight rows in two batches. */
const keys = { workers: 3, epochs: 3, micro_batch_size: 1, save_steps: 0 };
const rows = [0, 1, 2, 3, 4, 5].map((step) => (step % 2 === 0 ? [0, 1, 2, 3] : [4, 5, 6, 7]));

async function makeCluster(t: TestContext, scripts: Readonly<Record<string, Script>> = {}) {
  const dir = await temporaryDirectory(t);
  const server = await FakeApiServer.start(t);
  const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'demo-coordinator', uid: 'owner' };
  server.put('pods', settings.pod, { metadata: { ownerReferences: [owner] }, spec: {} });
  const controller = new FakeJobController(server);
  const kubelet = new ScriptedKubelet(server, controller, scripts);
  const log = pino({ level: 'silent' });
  const start = async () => {
    const coordinator = await startCoordinator({
      stateDir: join(dir, 'state'),
      listen: '127.0.0.1:0',
      metricsListen: null,
      paths: { kind: 'any' },
      maxWorkers: null,
      makeLauncher: () => KubernetesLauncher.connect({ settings, log, patience }, server.api),
      cluster: { failureSettleMs: 300, restartDelayMs: 10, stopGraceMs: 2_000 },
      log,
      onFatal: (error) => {
        throw error;
      },
    });
    const client = connect(coordinator.address, credentials.createInsecure());
    t.after(async () => {
      client.close();
      await coordinator.stop('the test is over');
    });
    kubelet.goTo(coordinator.address);
    return { coordinator, client };
  };
  t.after(() => {
    kubelet.goTo(null);
    for (const worker of kubelet.workers) worker.leave({ code: null, signal: 'SIGKILL' });
    const complaints = kubelet.workers.flatMap(({ complaint }) => complaint ?? []);
    assert.deepEqual(complaints, [], 'what workers were told keeps to the contract');
  });
  const submitRun = async ({ client }: Awaited<ReturnType<typeof start>>) =>
    submit(client, runFileOf(await writeRows(dir, 'train.jsonl', eightRows), keys), join(dir, 'out'));
  return { server, controller, kubelet, start, submitRun, stateDir: join(dir, 'state') };
}

const podsOf = (server: FakeApiServer) =>
  server.all('pods').filter(({ metadata }) => metadata.labels?.['job'] !== undefined);

test('a run is trained by the pods of its Job, and nothing is left of them', async (t) => {
  const { server, start, submitRun, stateDir } = await makeCluster(t);
  const running = await start();
  const runId = await submitRun(running);
  const events = await watch(running.client, runId);
  assert.equal((await getRun(running.client, runId)).state, RunState.RUN_STATE_COMPLETED);
  assert.deepEqual(generationsOf(events), [
    'worker-0 worker-1 worker-2 after 0: +worker-0 +worker-1 +worker-2',
  ]);
  assert.deepEqual(server.all('jobs'), []);
  assert.deepEqual(podsOf(server), []);
  await running.coordinator.stop('to look at its journal');
  auditWork(stateDir, runId, rows);
});

test('a pod that is deleted costs the run a step; the others go on', async (t) => {
  const scripts: Record<string, Script> = {};
  const { server, controller, start, submitRun, stateDir } = await makeCluster(t, scripts);
  let runId = '';
  scripts['worker-2'] = onceAt(2, () => {
    server.remove('pods', controller.pod(`prospect-${runId}`, 1).metadata.name);
  });
  const running = await start();
  runId = await submitRun(running);
  const events = await watch(running.client, runId);
  assert.equal(statesOf(events).at(-1), 'completed');
  assert.match(generationsOf(events)[1] ?? '', /^worker-0 worker-1 after 1: -worker-2/);
  await running.coordinator.stop('to look at its journal');
  auditWork(stateDir, runId, rows);
});

test('a run whose pods fail for good fails, with what they said', async (t) => {
  const scripts: Record<string, Script> = {};
  const { controller, start, submitRun } = await makeCluster(t, scripts);
  let runId = '';
  scripts['worker-0'] = onceAt(2, () => {
    const job = `prospect-${runId}`;
    controller.end(job, 0, 1, '{"msg":"no GPU is left"}');
    const message = 'too many failed indexes';
    const conditions = [{ type: 'Failed', status: 'True', reason: 'MaxFailedIndexesExceeded', message }];
    controller.setJobStatus(job, { conditions });
  });
  const running = await start();
  runId = await submitRun(running);
  await watch(running.client, runId);
  const { state, reason } = await getRun(running.client, runId);
  assert.equal(state, RunState.RUN_STATE_FAILED);
  assert.match(reason ?? '', /^the Job \S+ has failed: too many failed indexes \(pod .*: no GPU is left\)$/);
});

test('the next coordinator goes on with the same Job; nobody was told to stop', async (t) => {
  const scripts: Record<string, Script> = {};
  const { server, kubelet, start, submitRun, stateDir } = await makeCluster(t, scripts);
  let reached = false;
  scripts['worker-1'] = onceAt(3, () => (reached = true));
  const first = await start();
  const runId = await submitRun(first);
  await waitUntil(() => reached, 'the third step');
  const jobUid = server.all('jobs')[0]?.metadata.uid;
  kubelet.goTo(null);
  await first.coordinator.stop('its pod is deleted');
  const stopped = kubelet.workers.filter(({ received }) => received.some(({ stop }) => stop));
  assert.deepEqual(
    stopped.map(({ workerId }) => workerId),
    ['worker-3'],
    'for which a run of three has no place',
  );
  assert.equal(server.all('jobs')[0]?.metadata.uid, jobUid);
  // Scripted ones do not look for the next coordinator as real ones do: they end, and their pods are made again.
  for (const worker of kubelet.workers) worker.leave({ code: 1, signal: null });

  const second = await start();
  const events = await watch(second.client, runId);
  assert.equal(statesOf(events).at(-1), 'completed');
  assert.equal(server.calls.filter((call) => call === 'POST jobs').length, 1);
  assert.deepEqual(podsOf(server), []);
  await second.coordinator.stop('to look at its journal');
  auditWork(stateDir, runId, rows);
});

test('a run that has no place in the cluster yet says what it waits for', async (t) => {
  const { server, controller, kubelet, start, submitRun } = await makeCluster(t);
  const { coordinator, client } = await start();
  kubelet.goTo(null);
  const runId = await submitRun({ coordinator, client });
  await waitUntil(() => podsOf(server).length === 2, 'two pods');
  const message = '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.';
  controller.holdUp(`prospect-${runId}`, 0, message);
  const events = await watch(client, runId, {
    onEvent: ({ notice }) => {
      if (notice?.text?.startsWith('waiting for workers') === true) kubelet.goTo(coordinator.address);
    },
  });
  assert.ok(noticesOf(events).includes(`waiting for workers: node 0: ${message}`));
  assert.equal(statesOf(events).at(-1), 'completed');
});
