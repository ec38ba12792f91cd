import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import type { ProcessExit } from '../../../lib/process/child.js';
import { connect, openDuplex } from '../../../proto/calls.js';
import { clusterService, v1 } from '../../../proto/services.js';

export type ToWorker = v1.JoinResponse;
export type FromWorker = v1.JoinRequest.$Properties;

/** What a test may change of a worker's behaviour. Whatever is left out happens as the contract says. */
export interface Script {
  readonly threads?: number;
  /** It keeps nothing in `received`: there are many, and they are told much. */
  readonly forgets?: boolean;
  /** Answers a step's work, instead of the report that is passed in; `undefined` for no answer. */
  readonly onStep?: (
    work: v1.StepWork.$Properties,
    report: v1.StepReport.$Properties,
    worker: ScriptedWorker,
  ) => FromWorker | undefined;
  /** Likewise, of held-out rows and of prompts. */
  readonly onEvaluation?: (
    report: v1.EvaluationReport.$Properties,
    worker: ScriptedWorker,
  ) => FromWorker | undefined;
  readonly onSamples?: (samples: v1.Samples.$Properties, worker: ScriptedWorker) => FromWorker | undefined;
  readonly onStageStart?: (
    start: v1.StageStart.$Properties,
    worker: ScriptedWorker,
  ) => FromWorker | undefined;
  readonly onMembership?: (
    membership: v1.Membership.$Properties,
    worker: ScriptedWorker,
  ) => FromWorker | undefined;
  readonly onCheckpointPart?: (part: v1.CheckpointPart.$Properties) => FromWorker | undefined;
  /** True for a message that does not get through. */
  readonly loses?: (message: ToWorker, worker: ScriptedWorker) => boolean;
  readonly onSave?: (save: v1.SaveModel.$Properties, worker: ScriptedWorker) => Promise<void> | void;
}

/** The flat parameter space that the double writes into checkpoints. */
const SIZE = 97;

/** The partition that the worker is the owner of, once it has had work in it. */
interface Partition {
  readonly rank: number;
  readonly worldSize: number;
}

/**
 * A worker that speaks the real protocol over gRPC and makes up its numbers, each from the example's row alone. It keeps
 * what it was told, and does not stand anything that the contract does not allow: it dies then, with the reason in
 * `complaint`.
 */
export class ScriptedWorker {
  readonly workerId: string;
  readonly received: ToWorker[] = [];
  /** Resolves when the worker has left, in order or not. */
  readonly exited: Promise<ProcessExit>;
  /** What the coordinator did wrong. */
  complaint: unknown = null;
  readonly #address: string;
  readonly #runId: string;
  readonly #sessionId = randomUUID();
  readonly #script: Script;
  #client!: Client;
  #stream!: ClientDuplexStream<FromWorker, ToWorker>;
  #stage: v1.StageStart.$Properties | null = null;
  #generation: (Partition & { readonly number: number }) | null = null;
  /** The state that it has, and what of the optimizer. */
  #step = 0;
  #held: Partition | null = null;
  #proposed = 0;
  /** The step that the generation starts after, until its first work: held from then on. */
  #arranged: number | null = null;
  #work: v1.StepWork.$Properties[] = [];
  #leave!: (exit: ProcessExit) => void;
  #left = false;

  constructor(coordinatorAddress: string, runId: string, workerId: string, script: Script = {}) {
    this.workerId = workerId;
    this.#address = coordinatorAddress;
    this.#runId = runId;
    this.#script = script;
    this.exited = new Promise((resolve) => (this.#leave = resolve));
    this.#join();
  }

  /** Loses its stream, and joins again with what it holds. */
  reconnect(): void {
    this.#stream.cancel();
    this.#client.close();
    this.#generation = null;
    this.#work = [];
    this.#join();
  }

  send(message: FromWorker): void {
    if (!this.#left) this.#stream.write(message);
  }

  /** Ends as a process does: the stream breaks off. */
  leave(exit: ProcessExit): void {
    if (this.#left) return;
    this.#left = true;
    this.#stream.cancel();
    this.#client.close();
    this.#leave(exit);
  }

  #join(): void {
    this.#client = connect(this.#address, credentials.createInsecure());
    const stream = openDuplex(this.#client, clusterService.join);
    this.#stream = stream;
    stream.on('data', (message: ToWorker) => {
      if (stream === this.#stream) this.#handle(message);
    });
    const lost = () => {
      if (stream === this.#stream) this.leave({ code: 1, signal: null });
    };
    stream.on('error', lost).on('end', lost);
    const held =
      this.#held === null ? null : { ...this.#held, ...this.#position(), proposedStep: this.#proposed };
    const fingerprint = { tensorflowVersion: '2.21.0', device: 'test', threads: this.#script.threads ?? 1 };
    this.send({
      hello: {
        runId: this.#runId,
        workerId: this.workerId,
        sessionId: this.#sessionId,
        collectiveEndpoint: `tcp://${this.workerId}:1`,
        fingerprint,
        held,
      },
    });
  }

  #position() {
    return { stage: this.#stage?.stage ?? 0, step: this.#step };
  }

  #handle(message: ToWorker): void {
    if (this.#script.loses?.(message, this) === true) return;
    if (this.#script.forgets !== true) this.received.push(message);
    const { stageStart, membership, stepWork, stepCommit, saveModel, writeCheckpoint, stop } = message;
    const { evaluationWork, sampleWork } = message;
    try {
      if (stageStart) this.#startStage(stageStart);
      if (membership) this.#enter(v1.Membership.create(membership));
      if (stepWork) this.#takeWork(v1.StepWork.create(stepWork));
      if (evaluationWork) this.#evaluate(v1.EvaluationWork.create(evaluationWork));
      if (sampleWork) this.#sample(v1.SampleWork.create(sampleWork));
      if (stepCommit) this.#commit(v1.StepCommit.create(stepCommit));
      if (writeCheckpoint) this.#writeCheckpoint(v1.WriteCheckpoint.create(writeCheckpoint));
      if (saveModel) void this.#save(saveModel);
      if (stop) this.leave({ code: 0, signal: null });
    } catch (error) {
      this.complaint = error;
      this.leave({ code: 1, signal: null });
    }
  }

  #startStage(start: v1.StageStart.$Properties): void {
    const isOpen = this.#stage?.stage === start.stage && this.#stage?.runYaml === start.runYaml;
    if (!isOpen) {
      this.#step = 0;
      this.#proposed = 0;
      this.#held = null;
    }
    this.#stage = start;
    const ready = { stageReady: { stage: start.stage ?? 0 } };
    const answer = this.#script.onStageStart === undefined ? ready : this.#script.onStageStart(start, this);
    if (answer !== undefined) this.send(answer);
  }

  #enter(membership: v1.Membership): void {
    const { generation, rank, members } = membership;
    const { stage, step, source, checkpoint } = v1.StageState.create(membership.state ?? {});
    assert.equal(stage, this.#stage?.stage, 'the stage of a membership is open');
    assert.equal(members[rank]?.workerId, this.workerId, 'the worker has its own rank');
    assert.ok(this.#generation === null || generation > this.#generation.number, 'generations grow');
    const { held = null } = members[rank] ?? {};
    switch (source) {
      case v1.StateSource.STATE_SOURCE_INITIAL:
        assert.equal(step, 0);
        break;
      case v1.StateSource.STATE_SOURCE_CHECKPOINT:
        assert.ok(checkpoint !== '');
        break;
      case v1.StateSource.STATE_SOURCE_MEMBERS:
        requireCovered(members);
        break;
      case v1.StateSource.STATE_SOURCE_UNSPECIFIED:
        assert.fail('a membership says where its state comes from');
    }
    if (held !== null) {
      assert.deepEqual({ rank: held.rank, worldSize: held.worldSize }, this.#held, 'it holds what is said');
      assert.equal(this.#step, step, 'of the step that is said');
    }
    this.#arranged = step;
    this.#generation = { number: generation, rank, worldSize: members.length };
    this.#work = [];
    this.#proposed = 0;
    const ready = { generationReady: { generation } };
    const answer =
      this.#script.onMembership === undefined ? ready : this.#script.onMembership(membership, this);
    if (answer !== undefined) this.send(answer);
  }

  #takeWork(work: v1.StepWork): void {
    if (this.#generation === null || work.generation !== this.#generation.number) return;
    this.#adopt(this.#generation);
    this.#work.push(work);
    this.#workOn();
  }

  /** The generation's first work makes its state the one that is held. */
  #adopt({ rank, worldSize }: Partition): void {
    if (this.#arranged === null) return;
    this.#step = this.#arranged;
    this.#held = { rank, worldSize };
    this.#arranged = null;
  }

  #evaluate(work: v1.EvaluationWork): void {
    if (this.#generation === null || work.generation !== this.#generation.number) return;
    this.#adopt(this.#generation);
    this.#requireBetweenSteps(work.step, this.#step);
    const report = evaluationOf(work, this.#stage?.referenceSocket !== '');
    const answer =
      this.#script.onEvaluation === undefined
        ? { evaluationReport: report }
        : this.#script.onEvaluation(report, this);
    if (answer !== undefined) this.send(answer);
  }

  /** Only rank 0 gets them: nothing is held by it that was not held before. */
  #sample({ stage, step, generation, prompts, seed }: v1.SampleWork): void {
    if (this.#generation === null || generation !== this.#generation.number) return;
    assert.equal(this.#generation.rank, 0);
    this.#requireBetweenSteps(step, this.#arranged ?? this.#step);
    const samples = prompts.map(({ ids = [] }, index) => ({
      ids: [...(ids ?? []), 30 + step, seed % 100],
      cut: index % 2 === 1,
    }));
    const said = { stage, step, generation, samples };
    const answer =
      this.#script.onSamples === undefined ? { samples: said } : this.#script.onSamples(said, this);
    if (answer !== undefined) this.send(answer);
  }

  #requireBetweenSteps(step: number, held: number): void {
    assert.equal(step, held, 'it is of the step that the worker holds');
    assert.ok(this.#proposed === 0 && this.#work.length === 0, 'no step is under way');
  }

  /** A step is done only once the one before it is committed. */
  #workOn(): void {
    if (this.#proposed !== 0 || this.#work.length === 0) return;
    const work = this.#work.shift()!;
    assert.equal(work.step, this.#step + 1, 'work goes on from what the worker holds');
    this.#proposed = work.step ?? 0;
    const report = reportOf(work, this.#stage?.referenceSocket !== '');
    const answer =
      this.#script.onStep === undefined ? { stepReport: report } : this.#script.onStep(work, report, this);
    if (answer !== undefined) this.send(answer);
  }

  #commit({ stage, step, checkpoint }: v1.StepCommit): void {
    assert.equal(step, this.#step + 1, 'a commit is of the step after the one that the worker holds');
    assert.equal(step, this.#proposed, 'a commit is of the step that was reported');
    this.#step = step;
    this.#proposed = 0;
    if (checkpoint !== '') void this.#writePart(stage, step, checkpoint);
    this.#workOn();
  }

  #writeCheckpoint({ stage, step, directory }: v1.WriteCheckpoint): void {
    assert.equal(step, this.#step, 'a checkpoint is of the step that the worker holds');
    this.#generation = null;
    this.#work = [];
    this.#proposed = 0;
    void this.#writePart(stage, step, directory);
  }

  async #writePart(stage: number, step: number, directory: string): Promise<void> {
    const { rank, worldSize } = this.#held!;
    const [start, end] = [rank, rank + 1].map((edge) => Math.floor((SIZE * edge) / worldSize));
    const file = `part-${rank}-of-${worldSize}.safetensors`;
    const content = Buffer.from(`step ${step}, part ${rank} of ${worldSize}`);
    const written = {
      stage,
      step,
      file,
      start: start!,
      end: end!,
      size: SIZE,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      error: '',
    };
    let part: v1.CheckpointPart.$Properties = written;
    try {
      await writeFile(join(directory, file), content);
    } catch (error) {
      part = { ...written, error: String(error) };
    }
    const answer =
      this.#script.onCheckpointPart === undefined
        ? { checkpointPart: part }
        : this.#script.onCheckpointPart(part);
    if (answer !== undefined) this.send(answer);
  }

  async #save({ stage, directory }: v1.SaveModel.$Properties): Promise<void> {
    await this.#script.onSave?.({ stage: stage ?? 0, directory: directory ?? '' }, this);
    this.send({ modelSaved: { stage: stage ?? 0, directory: directory ?? '' } });
  }
}

/** All parts of the state must be with those who are said to hold some. */
function requireCovered(members: readonly v1.Member.$Properties[]): void {
  const held = members.flatMap(({ held }) => (held ? [held] : []));
  const sizes = new Set(held.map(({ worldSize }) => worldSize));
  assert.equal(sizes.size, 1, 'all hold their parts in one partition');
  const [worldSize] = [...sizes] as [number];
  const ranks = new Set(held.map(({ rank }) => rank));
  for (let part = 0; part < worldSize; part++) {
    assert.ok(
      ranks.has(part) || ranks.has((part + 1) % worldSize),
      `someone holds part ${part} of ${worldSize}`,
    );
  }
}

/** The reference's answer to a row, as the double makes it up. */
export function answerOf(row: number, paired: boolean): v1.ReferenceAnswer.$Properties {
  return { completions: [{ logp: -(row + 1) / 3 }], mismatched: paired ? { logp: -row - 100 } : null };
}

function reportOf(work: v1.StepWork.$Properties, kto: boolean): v1.StepReport.$Properties {
  const examples = (work.leaves ?? []).flatMap((leaf) => leaf.examples ?? []);
  return {
    stage: work.stage ?? 0,
    step: work.step ?? 0,
    generation: work.generation ?? 0,
    examples: examples.map((example) => exampleReport(example, kto)),
    z0: kto ? 0.5 : null,
    klUnclamped: kto ? 0.5 : null,
    gradNorm: 1 / (work.step ?? 1),
    learningRate: 0.001,
    times: { referenceMs: 1, statisticsMs: 2, gradientMs: 3, allReduceMs: 4, updateMs: 5 },
  };
}

/** The figures differ from step to step, as a policy does that learns. */
function evaluationOf(work: v1.EvaluationWork, kto: boolean): v1.EvaluationReport.$Properties {
  const { stage, step, generation } = work;
  const examples = work.leaves.flatMap((leaf) => leaf.examples ?? []);
  return {
    stage,
    step,
    generation,
    examples: examples.map((example) => {
      const { position = 0, logps, loss, rewards } = exampleReport(example, kto);
      return {
        position,
        loss: (loss ?? 0) / (step + 1),
        logps: (logps ?? []).map((logp) => logp + step),
        rewards: (rewards ?? []).map((reward) => reward - 0.125 * step),
      };
    }),
    z0: kto ? step : null,
    klUnclamped: kto ? step : null,
  };
}

function exampleReport(example: v1.Example.$Properties, kto: boolean): v1.ExampleReport.$Properties {
  const row = example.row ?? 0;
  const paired = (example.mismatchedCompletionIds?.length ?? 0) > 0;
  return {
    position: example.position ?? 0,
    loss: (row + 1) / 64,
    logps: [-row],
    rewards: kto ? [row / 4] : [],
    reference: kto ? (example.reference ?? answerOf(row, paired)) : null,
  };
}
