import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointStore } from '../../coordinator/checkpoints/checkpoint-store.js';
import { leafRunStarts } from '../../coordinator/plan/leaf-runs.js';
import { v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { StubCoordinator } from '../support/stub-coordinator.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const TOTAL_STEPS = 6;
const LEAVES = 4;

const runYaml = `
workers: 1
threads_per_worker: 1
stages:
  - method: sft
    model: ${fixturePath('models/llama')}
    data: { train: /nowhere.jsonl }
    learning_rate: 1e-3
    lr_schedule: linear
    weight_decay: 0.01
    max_steps: ${TOTAL_STEPS}
    global_batch_size: ${LEAVES}
    micro_batch_size: 1
`;

const { STATE_SOURCE_INITIAL, STATE_SOURCE_MEMBERS, STATE_SOURCE_CHECKPOINT } = v1.StateSource;

type Source = Pick<v1.StageState.$Properties, 'source' | 'checkpoint'>;
const initial: Source = { source: STATE_SOURCE_INITIAL };
const members: Source = { source: STATE_SOURCE_MEMBERS };

/** A stage of four one-row micro-batches a step, as the coordinator would lead it. */
class Stage {
  private generation = 0;
  private workers: readonly string[] = [];
  private held = new Map<string, v1.HeldPart.$Properties>();
  step = 0;

  constructor(
    private readonly stub: StubCoordinator,
    private readonly directory: string,
  ) {}

  async launch(...workerIds: string[]): Promise<void> {
    await Promise.all(workerIds.map((workerId) => this.stub.launch(workerId)));
    await this.open(workerIds);
  }

  async open(workerIds: readonly string[]): Promise<void> {
    const stageStart = { stage: 1, runYaml, totalSteps: TOTAL_STEPS, heartbeatIntervalMs: 500 };
    this.stub.sendAll(workerIds, { stageStart });
    await this.stub.receiveAll(workerIds, 'stageReady');
  }

  /** Tells the members; resolves once all are ready, unless they are not to be waited for. */
  async form(workerIds: readonly string[], source: Source, { wait = true } = {}): Promise<void> {
    this.generation += 1;
    this.workers = workerIds;
    const list = workerIds.map((workerId) => ({
      workerId,
      ...this.stub.addressOf(workerId),
      held: source.source === STATE_SOURCE_MEMBERS ? (this.held.get(workerId) ?? null) : null,
    }));
    workerIds.forEach((workerId, rank) => {
      const state = { stage: 1, step: this.step, updates: this.step, ...source };
      this.stub.send(workerId, { membership: { generation: this.generation, rank, members: list, state } });
    });
    if (wait) await this.stub.receiveAll(workerIds, 'generationReady');
  }

  sendWork(step: number): void {
    const worldSize = this.workers.length;
    this.held = new Map(this.workers.map((workerId, rank) => [workerId, { rank, worldSize }]));
    const runStarts = leafRunStarts(LEAVES, worldSize);
    this.workers.forEach((workerId, rank) => {
      const leaves = Array.from({ length: LEAVES }, (_, leaf) => ({
        examples: [
          {
            position: leaf,
            row: leaf,
            promptIds: [1, 2 + leaf, 30 + step],
            completions: [{ ids: [40 + leaf, 50 + step, 60] }],
          },
        ],
      })).slice(runStarts[rank], runStarts[rank + 1]);
      const counts = { examples: LEAVES, completionTokens: 3 * LEAVES };
      const { generation } = this;
      this.stub.send(workerId, {
        stepWork: { stage: 1, step, generation, runStarts: [...runStarts], leaves, counts },
      });
    });
  }

  /** One step from work to commit. */
  async train(checkpoint = ''): Promise<void> {
    const step = this.step + 1;
    this.sendWork(step);
    await this.stub.receiveAll(this.workers, 'stepReport');
    this.commit(step, this.workers, checkpoint);
  }

  commit(step: number, workerIds: readonly string[], checkpoint = ''): void {
    this.step = step;
    this.stub.sendAll(workerIds, { stepCommit: { stage: 1, step, checkpoint } });
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
}

/** The weights after all steps on a single worker that nothing happened to. */
let undisturbed: Promise<string> | undefined;

async function trainUndisturbed(): Promise<string> {
  const cleanUps: (() => unknown)[] = [];
  try {
    const { stage } = await begin({ after: (cleanUp: () => unknown) => cleanUps.unshift(cleanUp) });
    await stage.launch('worker-0');
    await stage.form(['worker-0'], initial);
    while (stage.step < TOTAL_STEPS) await stage.train();
    return await stage.weightsOf('worker-0');
  } finally {
    for (const cleanUp of cleanUps) await cleanUp();
  }
}

async function begin(t: { after(cleanUp: () => unknown): void }) {
  const directory = await temporaryDirectory(t);
  const stub = await StubCoordinator.start(directory);
  t.after(() => stub.close());
  return { stub, directory, stage: new Stage(stub, directory) };
}

async function assertUndisturbed(stage: Stage, workerIds: readonly string[]): Promise<void> {
  const expected = await (undisturbed ??= trainUndisturbed());
  for (const workerId of workerIds) assert.equal(await stage.weightsOf(workerId), expected, workerId);
}

/** Three workers, of which the second dies in step 3; the others have redone it. */
async function loseOneOfThree(t: { after(cleanUp: () => unknown): void }) {
  const begun = await begin(t);
  const { stub, stage } = begun;
  await stage.launch('worker-0', 'worker-1', 'worker-2');
  await stage.form(['worker-0', 'worker-1', 'worker-2'], initial);
  await stage.train();
  await stage.train();
  stage.sendWork(3);
  await stub.kill('worker-1');
  await stage.form(['worker-0', 'worker-2'], members);
  await stage.train();
  return begun;
}

test('the others redo the step of one that died, and a newcomer is brought up to date by them', async (t) => {
  const { stage } = await loseOneOfThree(t);
  await stage.launch('worker-3');
  stage.sendWork(4);
  await stage.form(['worker-2', 'worker-3', 'worker-0'], members);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ['worker-0', 'worker-2', 'worker-3']);
});

test('second owners alone can bring everything back', async (t) => {
  const { stub, stage } = await loseOneOfThree(t);
  await stub.kill('worker-0');
  await stage.launch('worker-5');
  await stage.form(['worker-5', 'worker-2'], members);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ['worker-5', 'worker-2']);
});

test('a generation that never had work leaves what was held before as it was', async (t) => {
  const { stub, stage } = await begin(t);
  await stage.launch('worker-0', 'worker-1', 'worker-2');
  await stage.form(['worker-0', 'worker-1'], initial);
  await stage.train();
  await stage.train();
  await stage.form(['worker-2', 'worker-1', 'worker-0'], members);
  await stub.kill('worker-2');
  await stage.form(['worker-1', 'worker-0'], members);
  await stage.train();
  await stage.form(['worker-0'], members);
  await stage.form(['worker-0', 'worker-1'], members);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ['worker-0', 'worker-1']);
});

test('a generation that is formed only to save has what it was arranged with, in a newcomer too', async (t) => {
  const { stage } = await begin(t);
  await stage.launch('worker-0');
  await stage.form(['worker-0'], initial);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await stage.launch('worker-1');
  await stage.form(['worker-1', 'worker-0'], members);
  await assertUndisturbed(stage, ['worker-1', 'worker-0']);
});

test('a checkpoint is read by any number of workers, also by those that were further already', async (t) => {
  const { stub, stage, directory } = await begin(t);
  const store = new CheckpointStore(directory, 2);
  await stage.launch('worker-0', 'worker-1', 'worker-2');
  await stage.form(['worker-0', 'worker-1', 'worker-2'], initial);
  await stage.train();
  const temporary = await store.begin({ stage: 1, step: 2 });
  await stage.train(temporary);
  await stage.train();
  const parts = await stub.receiveAll(['worker-0', 'worker-1', 'worker-2'], 'checkpointPart');
  const { directory: checkpoint } = await store.finish(temporary, {
    stage: 1,
    step: 2,
    updates: 2,
    parts: parts.map((part) => v1.CheckpointPart.create(part)),
  });
  await stub.kill('worker-0');
  await stub.kill('worker-1');
  stage.step = 2;
  await stage.launch('worker-3');
  await stage.form(['worker-2', 'worker-3'], { source: STATE_SOURCE_CHECKPOINT, checkpoint });
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ['worker-2', 'worker-3']);
});

test('from the start again, after all was lost', async (t) => {
  const { stub, stage } = await begin(t);
  await stage.launch('worker-0', 'worker-1');
  await stage.form(['worker-0'], initial);
  await stage.train();
  await stage.train();
  stage.step = 0;
  await stage.form(['worker-1', 'worker-0'], initial);
  await stage.train();
  await stub.kill('worker-1');
  stage.step = 0;
  await stage.form(['worker-0'], initial);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ['worker-0']);
});

test('workers outlive their coordinator, and a step that it had committed before it went is theirs too', async (t) => {
  const { stub, stage } = await begin(t);
  const ids = ['worker-0', 'worker-1'];
  await stage.launch(...ids);
  await stage.form(ids, initial);
  await stage.train();
  stage.sendWork(2);
  await stub.receiveAll(ids, 'stepReport');
  await stub.restart();
  const hellos = await stub.receiveAll(ids, 'hello');
  assert.deepEqual(
    hellos.map(({ held }) => held && v1.HeldState.toObject(v1.HeldState.create(held), { defaults: true })),
    [0, 1].map((rank) => ({ stage: 1, step: 1, proposedStep: 2, rank, worldSize: 2 })),
  );
  await stage.open(ids);
  stage.commit(2, ids);
  await stage.form(ids, members);
  stage.sendWork(3);
  await stub.restart();
  await stub.receiveAll(ids, 'hello');
  await stage.open(ids);
  await stage.form(ids, members);
  while (stage.step < TOTAL_STEPS) await stage.train();
  await assertUndisturbed(stage, ids);
});

test('a peer that dies is told to the coordinator by its name; SIGTERM asks for leave, and Stop grants it', async (t) => {
  const { stub, stage } = await begin(t);
  await stage.launch('worker-0', 'worker-1');
  await stage.form(['worker-0', 'worker-1'], initial);
  await stage.train();
  await stub.kill('worker-1');
  stage.sendWork(2);
  const failure = await stub.receive('worker-0', 'collectiveFailure');
  assert.deepEqual([failure.generation, failure.suspects], [1, ['worker-1']]);
  const ended = stub.kill('worker-0', 'SIGTERM');
  assert.equal((await stub.receive('worker-0', 'leaving')).reason, 'SIGTERM');
  stub.send('worker-0', { stop: { reason: 'granted' } });
  assert.equal(await ended, 0);
});
