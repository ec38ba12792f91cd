import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import type { Launcher } from '../../coordinator/launch/launcher.js';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { startCoordinator } from '../../coordinator/server.js';
import { spawnChild } from '../../lib/process/child.js';
import { callUnary, connect } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { RunWatch } from '../support/run-watch.js';
import { StubCoordinator } from '../support/stub-coordinator.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { judgedRows, type RunKeys } from '../support/tiny-run.js';
import { Pod } from './coordinator-doubles/pod.js';
import { PodLauncher } from './coordinator-doubles/pod-launcher.js';
import { until } from './processes.js';
import { privateCache } from './prospect.js';

const entry = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const patienceMs = 120_000;
const sftSteps = 3;
const ktoSteps = 24;

// For the embedded run's replicas; those in pods have one each.
Object.assign(process.env, privateCache());

type Place = Pick<TestContext, 'after'>;
type MakeLauncher = (coordinatorAddress: string, dir: string) => Launcher;

interface Running {
  readonly outputDir: string;
  readonly watch: RunWatch;
}

/** Starts a run of two stages, whose second one has the first one's result as its reference, on a coordinator of its own. */
async function start(
  t: Place,
  makeLauncher: MakeLauncher,
  keys: RunKeys,
  kto: RunKeys = {},
): Promise<Running> {
  const dir = await temporaryDirectory(t);
  const stateDir = join(dir, 'state');
  mkdirSync(stateDir);
  const coordinator = await startCoordinator({
    stateDir,
    listen: '127.0.0.1:0',
    metricsListen: null,
    paths: { kind: 'any' },
    maxWorkers: null,
    makeLauncher: (address) => makeLauncher(address, dir),
    cluster: { failureSettleMs: 500, restartDelayMs: 10 },
    log: pino({ level: 'silent' }),
    onFatal: (error) => {
      throw error;
    },
  });
  const client = connect(coordinator.address, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await coordinator.stop('the test is over');
  });
  const outputDir = join(dir, 'out');
  const runYaml = runFile(dir, keys, kto);
  const { run } = await callUnary(client, runService.submitRun, { runYaml, outputDir });
  const watch = new RunWatch(() => Promise.resolve(client), run?.id ?? '', patienceMs);
  return { outputDir, watch };
}

function runFile(dir: string, keys: RunKeys, kto: RunKeys): string {
  const train = join(dir, 'rows.jsonl');
  writeFileSync(
    train,
    judgedRows()
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  return JSON.stringify({
    model: fixturePath('models/llama'),
    data: { train },
    learning_rate: 1e-3,
    global_batch_size: 16,
    micro_batch_size: 2,
    threads_per_worker: 1,
    save_steps: 0,
    ...keys,
    stages: [
      { method: 'sft', max_steps: sftSteps },
      { method: 'kto', max_steps: ktoSteps, ...kto },
    ],
  });
}

interface Result {
  readonly weights: string;
  /** Of every step of both stages. */
  readonly losses: readonly unknown[];
}

async function resultOf({ watch, outputDir }: Running): Promise<Result> {
  const { state, reason } = await watch.ended;
  assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
  const weights = createHash('sha256')
    .update(readFileSync(join(outputDir, 'model/model.safetensors')))
    .digest('hex');
  const lines = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return { weights, losses: lines.map(lossOf) };
}

function lossOf(line: string): unknown {
  const { stage, step, loss, kl, grad_norm } = JSON.parse(line) as Record<string, unknown>;
  return { stage, step, loss, kl, grad_norm };
}

describe('in pods, a run comes to the weights of the embedded one', () => {
  let embedded: Result;
  before(async () => {
    const cleanUps: (() => unknown)[] = [];
    const running = await start(
      { after: (cleanUp) => void cleanUps.unshift(cleanUp as () => unknown) },
      (coordinatorAddress, dir) =>
        new ProcessLauncher({
          workerEntry: entry('worker/main.js'),
          referenceEntry: entry('worker/reference/main.js'),
          coordinatorAddress,
          stateDir: join(dir, 'state'),
        }),
      { workers: 1 },
    );
    embedded = await resultOf(running);
    assert.equal(embedded.losses.length, sftSteps + ktoSteps);
    for (const cleanUp of cleanUps) await cleanUp();
  });

  async function startInPods(
    t: Place,
    { workersPerNode, ...keys }: RunKeys & { readonly workersPerNode: number },
    kto: RunKeys = {},
  ) {
    let launcher!: PodLauncher;
    const makeLauncher: MakeLauncher = (coordinatorAddress, dir) =>
      (launcher = new PodLauncher({ dir, coordinatorAddress, workersPerNode }));
    const running = await start(t, makeLauncher, keys, kto);
    return { ...running, launcher };
  }

  type InPods = Awaited<ReturnType<typeof startInPods>>;

  /** Checks the result, and how the pods have ended: of those that were there at the end, all with 0. */
  async function compare(running: InPods, ...earlierExits: readonly (number | null)[]): Promise<void> {
    assert.deepEqual(await resultOf(running), embedded);
    const exits = await Promise.all(running.launcher.pods.map(({ exited }) => exited));
    const codes = exits.map(({ code }) => code);
    assert.deepEqual(
      codes.filter((code) => code !== 0),
      earlierExits,
    );
  }

  test('one pod of two workers, which shows their metrics', async (t) => {
    const running = await startInPods(t, { workers: 2, workersPerNode: 2 });
    await running.watch.untilCommitted(1);
    const [pod] = running.launcher.pods;
    assert.equal((await pod!.get('/readyz')).status, 200);
    await running.watch.untilCommitted(sftSteps + 1);
    const { text } = await pod!.get('/metrics');
    for (const worker of ['worker-0', 'worker-1']) {
      assert.match(text, new RegExp(`^prospect_worker_steps_total\\{worker="${worker}"\\} \\d+$`, 'm'));
    }
    assert.match(text, /^prospect_reference_up 1$/m);
    await compare(running);
    assert.equal(running.launcher.pods.length, 1);
  });

  test('two pods of one worker, each with a replica of its own', async (t) => {
    const running = await startInPods(t, { workers: 2, workersPerNode: 1 });
    await compare(running);
    assert.equal(running.launcher.pods.length, 2);
  });

  test('a pod with room for more workers than the run has', async (t) => {
    const running = await startInPods(t, { workers: 1, workersPerNode: 2 });
    await running.watch.untilCommitted(1);
    const [pod] = running.launcher.pods;
    await until('worker-1 is let go', () => workersOf(pod!).join() === 'worker-0');
    assert.equal((await pod!.get('/readyz')).status, 200);
    await compare(running);
  });

  test('a worker is killed, and started again by its supervisor', async (t) => {
    const running = await startInPods(t, { workers: 2, min_workers: 2, workersPerNode: 2 });
    await running.watch.untilCommitted(sftSteps + 4);
    const [pod] = running.launcher.pods;
    const victim = pod!.workers().find(({ command }) => command.includes('--worker-id worker-1'))!;
    process.kill(victim.pid, 'SIGKILL');
    await compare(running);
    const { memberships } = running.watch;
    const [lost, ...others] = lostWorkers(running);
    assert.match(lost!, /^worker-1 /);
    assert.deepEqual(others, []);
    assert.equal(memberships.at(-1)!.workers?.length, 2);
    assert.equal(running.launcher.pods.length, 1);
  });

  test('a replica is killed, and started again', async (t) => {
    const running = await startInPods(t, { workers: 1, workersPerNode: 1 });
    await running.watch.untilCommitted(sftSteps + 2);
    const [pod] = running.launcher.pods;
    const [victim] = pod!.replicas();
    process.kill(victim!.pid, 'SIGKILL');
    await until('the replica is another one', () => pod!.replicas().some(({ pid }) => pid !== victim!.pid));
    await compare(running);
  });

  test('a pod that is told to end has its workers leave in order', async (t) => {
    const running = await startInPods(t, { workers: 2, min_workers: 2, workersPerNode: 1 });
    await running.watch.untilCommitted(sftSteps + 4);
    const [pod] = running.launcher.pods;
    await pod!.signal('SIGTERM');
    assert.deepEqual(await pod!.exited, { code: 143, signal: null });
    await compare(running, 143);
    assert.equal(running.launcher.pods.length, 3);
    assert.deepEqual(lostWorkers(running), ['worker-0 left: SIGTERM']);
  });

  test('a reference that cannot be loaded ends the run, which says so', async (t) => {
    const nothing = await temporaryDirectory(t);
    const running = await startInPods(t, { workers: 1, workersPerNode: 1 }, { reference: nothing });
    const { state, reason } = await running.watch.ended;
    assert.equal(state, v1.RunState.RUN_STATE_FAILED);
    assert.match(reason ?? '', new RegExp(`the reference replica at .*${nothing}`));
  });
});

describe('a supervisor', () => {
  test('is told to end twice: it does not wait for leave', async (t) => {
    const dir = await temporaryDirectory(t);
    const coordinator = await StubCoordinator.start(dir);
    t.after(() => coordinator.close());
    const place = { dir: join(dir, 'pod'), coordinator: coordinator.address, runId: 'run', node: 0 };
    const pod = new Pod({ ...place, workersPerNode: 1, threads: 1 });
    t.after(() => pod.stop({ graceMs: 0 }));
    await coordinator.receive('worker-0', 'hello');
    assert.equal((await pod.get('/readyz')).status, 503, 'nobody has taken the worker in');
    assert.equal((await pod.get('/healthz')).status, 200);
    await pod.signal('SIGTERM');
    await coordinator.receive('worker-0', 'leaving');
    await pod.signal('SIGTERM');
    assert.deepEqual(await pod.exited, { code: 143, signal: null });
  });

  test('refuses a command line that it does not understand, as bad input', async () => {
    const args = ['--coordinator', '127.0.0.1:1', '--run-id', 'run', '--node', 'first'];
    const child = spawnChild({ name: 'it', entry: entry('worker/supervisor.js'), args, stdio: 'ignore' });
    await assert.rejects(child.ready, { name: 'ConfigError', message: /^supervisor: --node is first/ });
    assert.deepEqual(await child.exited, { code: 2, signal: null });
  });
});

const lostWorkers = ({ watch }: Running) =>
  watch.memberships.flatMap(({ lost }) => lost ?? []).map(({ workerId, reason }) => `${workerId} ${reason}`);

function workersOf(pod: Pod): string[] {
  return pod.workers().flatMap(({ command }) => /--worker-id (\S+)/.exec(command)?.[1] ?? []);
}
