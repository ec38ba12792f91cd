import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { leafRunStarts } from '../../coordinator/plan/leaf-runs.js';
import { v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { StubCoordinator } from '../support/stub-coordinator.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const LEAVES = 4;
const ROWS = 2 * LEAVES;

const runYaml = `
workers: 1
threads_per_worker: 1
stages:
  - method: kto
    model: ${fixturePath('models/llama')}
    data: { train: /nowhere.jsonl }
    learning_rate: 1e-2
    lr_schedule: constant
    max_steps: 5
    global_batch_size: ${ROWS}
    micro_batch_size: 2
`;

/** Row `position`, with the reference's answer, so that no replica is asked. */
function example(position: number): v1.Example.$Properties {
  const length = 2 + (position % 3);
  return {
    position,
    row: position,
    promptIds: [1, 2 + position],
    completions: [{ ids: Array.from({ length }, (_, i) => 40 + 7 * position + i) }],
    mismatchedCompletionIds: position === 3 ? [] : [90 + position, 91],
    desirable: position % 2 === 0,
    reference: {
      completions: [{ logp: -6 * length }],
      mismatched: position === 3 ? null : { logp: -20 },
    },
  };
}

/** The same rows, whether they are trained on or judged. */
function workOf(rank: number, worldSize: number) {
  const runStarts = leafRunStarts(LEAVES, worldSize);
  const leaves = Array.from({ length: LEAVES }, (_, leaf) => ({
    examples: [example(2 * leaf), example(2 * leaf + 1)],
  }));
  return {
    runStarts: [...runStarts],
    leaves: leaves.slice(runStarts[rank], runStarts[rank + 1]),
    counts: { examples: ROWS, mismatchedPairs: ROWS - 1, completionTokens: 24 },
  };
}

type Report = v1.EvaluationReport.$Properties | v1.StepReport.$Properties;

/** All that a report says of the rows, and of all of them together; alike in both kinds of report. */
function saidOf(reports: readonly Report[]) {
  const examples = reports.flatMap((report) => report.examples ?? []);
  const rows = examples.map(({ position, loss, logps, rewards }) => ({ position, loss, logps, rewards }));
  const shared = reports.map(({ z0, klUnclamped }) => ({ z0, klUnclamped }));
  assert.equal(new Set(shared.map((one) => JSON.stringify(one))).size, 1, 'all workers share one z0');
  return { rows, ...shared[0]! };
}

/** A stage that a test leads step by step. */
class Stage {
  private generation = 0;
  private workers: readonly string[] = [];
  step = 0;

  constructor(
    readonly stub: StubCoordinator,
    private readonly directory: string,
  ) {}

  async launch(...workerIds: string[]): Promise<void> {
    await Promise.all(workerIds.map((workerId) => this.stub.launch(workerId)));
    const referenceSocket = join(this.directory, 'nowhere.sock');
    const stageStart = { stage: 1, runYaml, totalSteps: 5, heartbeatIntervalMs: 500, referenceSocket };
    this.stub.sendAll(workerIds, { stageStart });
    await this.stub.receiveAll(workerIds, 'stageReady');
  }

  async form(workerIds: readonly string[], held: readonly v1.HeldPart.$Properties[] | null): Promise<void> {
    this.generation += 1;
    this.workers = workerIds;
    const { STATE_SOURCE_INITIAL, STATE_SOURCE_MEMBERS } = v1.StateSource;
    const members = workerIds.map((workerId, rank) => ({
      workerId,
      ...this.stub.addressOf(workerId),
      held: held?.[rank] ?? null,
    }));
    const source = held === null ? STATE_SOURCE_INITIAL : STATE_SOURCE_MEMBERS;
    const state = { stage: 1, step: this.step, updates: this.step, source };
    const { generation } = this;
    workerIds.forEach((workerId, rank) =>
      this.stub.send(workerId, { membership: { generation, rank, members, state } }),
    );
    await this.stub.receiveAll(workerIds, 'generationReady');
  }

  sendEvaluation(): void {
    this.workers.forEach((workerId, rank) => {
      const work = workOf(rank, this.workers.length);
      this.stub.send(workerId, { evaluationWork: { ...this.now, ...work } });
    });
  }

  async evaluate() {
    this.sendEvaluation();
    return saidOf(await this.stub.receiveAll(this.workers, 'evaluationReport'));
  }

  async train() {
    this.workers.forEach((workerId, rank) => {
      const work = workOf(rank, this.workers.length);
      this.stub.send(workerId, { stepWork: { ...this.now, step: this.step + 1, ...work } });
    });
    const reports = await this.stub.receiveAll(this.workers, 'stepReport');
    this.step += 1;
    this.stub.sendAll(this.workers, { stepCommit: { stage: 1, step: this.step } });
    return saidOf(reports);
  }

  sendSamples(maxNewTokens: number): void {
    const prompts = [{ ids: [1, 2, 3] }, { ids: [1, 9] }];
    const task = { prompts, maxNewTokens, temperature: 0.7, seed: 5 };
    this.stub.send(this.workers[0]!, { sampleWork: { ...this.now, ...task } });
  }

  async sample() {
    this.sendSamples(6);
    const { samples } = await this.stub.receive(this.workers[0]!, 'samples');
    return (samples ?? []).map((sample) => v1.Sample.toObject(v1.Sample.create(sample), { defaults: true }));
  }

  /** SHA-256 of the weights as a worker would save them now. */
  async weightsOf(workerId: string): Promise<string> {
    const directory = join(this.directory, `model-${workerId}-${this.step}-${this.generation}`);
    this.stub.send(workerId, { saveModel: { stage: 1, directory } });
    await this.stub.receive(workerId, 'modelSaved');
    return createHash('sha256')
      .update(readFileSync(join(directory, 'model.safetensors')))
      .digest('hex');
  }

  private get now() {
    return { stage: 1, step: this.step, generation: this.generation };
  }
}

async function begin(t: { after(cleanUp: () => unknown): void }, workers: number) {
  const directory = await temporaryDirectory(t);
  const stub = await StubCoordinator.start(directory);
  t.after(() => stub.close());
  const ids = Array.from({ length: workers }, (_, index) => `worker-${index}`);
  const stage = new Stage(stub, directory);
  await stage.launch(...ids);
  return { stub, stage, ids };
}

const placesOf = (worldSize: number) => Array.from({ length: worldSize }, (_, rank) => ({ rank, worldSize }));

test('rows are judged by the bits of a step on any number of workers, and the steps do not notice', async (t) => {
  const plain = await begin(t, 1);
  await plain.stage.form(plain.ids, null);
  const trained = [await plain.stage.train(), await plain.stage.train(), await plain.stage.train()];
  const weights = await plain.stage.weightsOf('worker-0');
  const [{ z0 }] = trained as [(typeof trained)[number]];
  assert.ok(z0! > 0, `z0 of the first step is ${z0}`);
  assert.equal(new Set(trained.map(({ klUnclamped }) => klUnclamped)).size, 3, 'the policy moves');
  const texts = new Set<string>();
  for (const workers of [1, 2, 3]) {
    const { stage, ids } = await begin(t, workers);
    await stage.form(ids, null);
    const samples = [];
    for (const expected of trained) {
      assert.deepEqual(await stage.evaluate(), expected, `${workers} workers, after step ${stage.step}`);
      samples.push(await stage.sample());
      assert.deepEqual(await stage.train(), expected);
    }
    samples.push(await stage.sample());
    texts.add(JSON.stringify(samples));
    assert.equal(new Set(samples.map((sample) => JSON.stringify(sample))).size, samples.length);
    assert.equal(await stage.weightsOf(ids.at(-1)!), weights);
  }
  assert.equal(texts.size, 1);
});

test('a worker that dies while rows are judged is named; the others judge them again, to the same bits', async (t) => {
  const { stub, stage, ids } = await begin(t, 3);
  await stage.form(ids, null);
  await stage.train();
  const whole = await stage.evaluate();
  await stub.kill('worker-1');
  stage.sendEvaluation();
  const failure = await stub.receive('worker-0', 'collectiveFailure');
  assert.deepEqual([failure.generation, failure.suspects], [1, ['worker-1']]);
  const [first, , third] = placesOf(3);
  await stage.form(['worker-0', 'worker-2'], [first!, third!]);
  assert.deepEqual(await stage.evaluate(), whole);
  assert.deepEqual(await stage.train(), whole);
});

test('prompts alone leave what the workers hold as it was: only work for all of them changes it', async (t) => {
  const { stage } = await begin(t, 2);
  await stage.form(['worker-0', 'worker-1'], null);
  await stage.train();
  const sampled = await stage.sample();
  const [first, second] = placesOf(2) as [v1.HeldPart.$Properties, v1.HeldPart.$Properties];
  await stage.form(['worker-1', 'worker-0'], [second, first]);
  assert.deepEqual(await stage.sample(), sampled);
  await stage.form(['worker-1', 'worker-0'], [second, first]);
  const judged = await stage.evaluate();
  // From this work on, each holds the part of its new place.
  await stage.form(['worker-0', 'worker-1'], [second, first]);
  assert.deepEqual(await stage.train(), judged);
  stage.sendSamples(500);
  await stage.form(['worker-0', 'worker-1'], [first, second]);
  const after = await stage.evaluate();
  assert.notDeepEqual(after, judged);
});

test('what is wanted after a step that the worker does not hold is refused', async (t) => {
  const { stub, stage } = await begin(t, 1);
  await stage.form(['worker-0'], null);
  stage.step = 3;
  stage.sendEvaluation();
  const { reason } = await stub.receive('worker-0', 'failure');
  assert.match(reason ?? '', /wants to judge held-out rows after step 3, but this is step 0/);
});
