import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { CoordinatorProcess, workerIdOf } from '../support/coordinator-process.js';
import { RunWatch } from '../support/run-watch.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTinyRun, type RunKeys } from '../support/tiny-run.js';
import { until } from './processes.js';

const steps = 40;
const patienceMs = 120_000;
const graceMs = 30_000;

interface Running {
  readonly dir: string;
  readonly outputDir: string;
  readonly coordinator: CoordinatorProcess;
  readonly watch: RunWatch;
  readonly runId: string;
}

/** Starts a KTO run of the tiny Llama under a coordinator of its own. */
async function start(t: Pick<TestContext, 'after'>, keys: RunKeys): Promise<Running> {
  const dir = await temporaryDirectory(t);
  const outputDir = join(dir, 'out');
  const coordinator = new CoordinatorProcess(dir);
  coordinator.start();
  t.after(() => coordinator.terminate({ graceMs }));
  const { text } = writeTinyRun(dir, { method: 'kto', keys: { max_steps: steps, save_steps: 0, ...keys } });
  const client = await coordinator.client();
  const { run } = await callUnary(client, runService.submitRun, { runYaml: text, outputDir });
  const runId = run?.id ?? '';
  const watch = new RunWatch(() => coordinator.client(), runId, patienceMs);
  return { dir, outputDir, coordinator, watch, runId };
}

interface Result {
  readonly weights: string;
  /** Of every step. */
  readonly losses: readonly unknown[];
}

/** What the run came to; checks that it completed, and that its steps were told once each and in order. */
async function resultOf({ watch, outputDir, coordinator }: Running): Promise<Result> {
  const { state, reason } = await watch.ended;
  assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
  assert.deepEqual(
    watch.commits.map(({ step }) => step),
    watch.commits.map((_, i) => i + 1),
  );
  assert.deepEqual(await coordinator.terminate({ graceMs }), { code: 0, signal: null });
  await until('all processes are gone', () => coordinator.processes().length === 0);
  const lines = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return { weights: weightsOf(outputDir), losses: lines.map(lossOf) };
}

function weightsOf(outputDir: string): string {
  return createHash('sha256')
    .update(readFileSync(join(outputDir, 'model/model.safetensors')))
    .digest('hex');
}

function lossOf(line: string): unknown {
  const { step, loss, kl, grad_norm } = JSON.parse(line) as Record<string, unknown>;
  return { step, loss, kl, grad_norm };
}

const lostWorkers = ({ memberships }: RunWatch) =>
  memberships.flatMap(({ lost }) => lost ?? []).map(({ workerId }) => workerId);

describe('whatever dies, a run comes to the same weights', () => {
  let undisturbed: Result;
  before(async () => {
    const cleanUps: (() => unknown)[] = [];
    const running = await start({ after: (cleanUp) => void cleanUps.unshift(cleanUp as () => unknown) }, {});
    undisturbed = await resultOf(running);
    assert.equal(undisturbed.losses.length, steps);
    for (const cleanUp of cleanUps) await cleanUp();
  });

  async function compare(running: Running): Promise<void> {
    assert.deepEqual(await resultOf(running), undisturbed);
  }

  test('one of two workers is killed: the other one goes on, and a new one joins', async (t) => {
    const running = await start(t, { workers: 2 });
    await running.watch.untilCommitted(5);
    const victim = running.coordinator.workers()[1]!;
    process.kill(victim.pid, 'SIGKILL');
    await compare(running);
    assert.deepEqual(lostWorkers(running.watch), [workerIdOf(victim)]);
  });

  test('both workers are killed at once', async (t) => {
    const running = await start(t, { workers: 2, save_steps: 4 });
    await running.watch.untilCommitted(10);
    for (const { pid } of running.coordinator.workers()) process.kill(pid, 'SIGKILL');
    await compare(running);
  });

  test('the only worker is killed, without a checkpoint: its steps are computed again', async (t) => {
    const running = await start(t, { workers: 1 });
    await running.watch.untilCommitted(10);
    process.kill(running.coordinator.workers()[0]!.pid, 'SIGKILL');
    await compare(running);
    assert.deepEqual(running.watch.checkpoints, []);
  });

  test('the only worker is killed, with a checkpoint', async (t) => {
    const running = await start(t, { workers: 1, save_steps: 4, save_total_limit: 2 });
    await until('a checkpoint is there', () => running.watch.checkpoints.length >= 2);
    process.kill(running.coordinator.workers()[0]!.pid, 'SIGKILL');
    await compare(running);
    const kept = readdirSync(join(running.outputDir, 'checkpoints')).sort();
    const told = running.watch.checkpoints.map(({ directory }) => basename(directory ?? ''));
    assert.deepEqual(kept, told.slice(-2));
  });

  test('the reference replica is killed, twice', async (t) => {
    const running = await start(t, { workers: 2 });
    for (const committed of [0, 1]) {
      await running.watch.untilCommitted(committed);
      await until('there is a replica', () => running.coordinator.references().length > 0);
      const [replica] = running.coordinator.references();
      process.kill(replica!.pid, 'SIGKILL');
      await until('it is gone', () =>
        running.coordinator.references().every(({ pid }) => pid !== replica!.pid),
      );
    }
    await compare(running);
  });

  test('the coordinator is killed, and started again', async (t) => {
    const running = await start(t, { workers: 2, save_steps: 4 });
    for (const committed of [0, 7, 20]) {
      await running.watch.untilCommitted(committed);
      await running.coordinator.kill();
      running.coordinator.start();
    }
    await compare(running);
  });

  test('the coordinator is told to stop: it leaves a checkpoint of its last step, and the next one goes on', async (t) => {
    const running = await start(t, { workers: 2 });
    await running.watch.untilCommitted(7);
    assert.deepEqual(await running.coordinator.terminate({ graceMs }), { code: 0, signal: null });
    assert.deepEqual(running.coordinator.processes(), []);
    running.coordinator.start();
    await compare(running);
    const [checkpoint] = running.watch.checkpoints;
    assert.ok(checkpoint !== undefined, 'a checkpoint was written');
    const [before, after] = running.watch.memberships;
    assert.deepEqual([before?.step, after?.step], [0, checkpoint.step]);
  });

  test('a worker is told to end: it leaves a checkpoint behind, and ends in order', async (t) => {
    const running = await start(t, { workers: 2 });
    await running.watch.untilCommitted(5);
    const leaver = running.coordinator.workers()[0]!;
    process.kill(leaver.pid, 'SIGTERM');
    await until(
      'it is gone',
      () => !running.coordinator.processes().some(({ pid }) => pid === leaver.pid),
      graceMs,
    );
    await compare(running);
    assert.ok(running.watch.checkpoints.length >= 1, 'a checkpoint was written');
    const log = readFileSync(join(running.outputDir, 'logs', `${workerIdOf(leaver)}.log`), 'utf8');
    assert.match(log, /"stopped by the coordinator"/);
  });

  test('workers are added and taken away', async (t) => {
    const running = await start(t, { workers: 1 });
    const resize = async (workers: number) => {
      const client = await running.coordinator.client();
      await callUnary(client, runService.resizeRun, { runId: running.runId, workers });
    };
    await running.watch.untilCommitted(3);
    await resize(3);
    const sizes = () => running.watch.memberships.map(({ workers }) => workers?.length);
    await until('three workers train', () => sizes().includes(3) || running.watch.isOver);
    await resize(2);
    await compare(running);
    assert.ok(sizes().includes(3), `the run had ${sizes().join(', ')} workers`);
  });
});

describe('numbers that are not finite', () => {
  /** The first step makes weights so large that the second one's numbers overflow. */
  const explosion = { workers: 2, learning_rate: 1e30, lr_schedule: 'constant', warmup_steps: 0 };

  test('stop the run, which names the step, the rows and the parameter', async (t) => {
    const { watch } = await start(t, { ...explosion, max_steps: 5 });
    const { state, reason } = await watch.ended;
    assert.equal(state, v1.RunState.RUN_STATE_FAILED);
    assert.match(reason ?? '', /step 2\b/);
    assert.match(reason ?? '', /rows? \d+/);
    assert.match(reason ?? '', /model\.[a-z_.0-9]+/);
    assert.deepEqual(
      watch.commits.map(({ step }) => step),
      [1],
    );
  });

  test('are skipped and counted where the run file says so, and change nothing', async (t) => {
    const skipping = await start(t, { ...explosion, max_steps: 5, on_nonfinite: 'skip' });
    const { state, reason, skippedSteps } = await skipping.watch.ended;
    assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
    assert.equal(skippedSteps, 4);
    const oneStep = await start(t, { ...explosion, max_steps: 1 });
    assert.equal((await oneStep.watch.ended).state, v1.RunState.RUN_STATE_COMPLETED);
    assert.equal(weightsOf(skipping.outputDir), weightsOf(oneStep.outputDir));
  });
});
