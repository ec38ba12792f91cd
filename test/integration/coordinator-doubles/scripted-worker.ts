import { credentials, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import type { ProcessExit } from '../../../lib/process/child.js';
import { connect, openDuplex } from '../../../proto/calls.js';
import { clusterService, v1 } from '../../../proto/services.js';

export type ToWorker = v1.JoinResponse;
export type FromWorker = v1.JoinRequest.$Properties;

/** What a test may change of a worker's behaviour. Whatever is left out happens as the contract says. */
export interface Script {
  readonly threads?: number;
  /** Answers a step's work, instead of the report that is passed in; `undefined` for no answer. */
  readonly onStep?: (
    work: v1.StepWork.$Properties,
    report: v1.StepReport.$Properties,
    worker: ScriptedWorker,
  ) => FromWorker | undefined;
  readonly onStageStart?: (start: v1.StageStart.$Properties) => FromWorker;
  readonly onSave?: (save: v1.SaveModel.$Properties) => Promise<void> | void;
}

/**
 * A worker that speaks the real protocol over gRPC and makes up its numbers, each from the example's row alone. It keeps
 * what it was told.
 */
export class ScriptedWorker {
  readonly received: ToWorker[] = [];
  /** Resolves when the worker has left, in order or not. */
  readonly exited: Promise<ProcessExit>;
  #needsReference = false;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<FromWorker, ToWorker>;
  readonly #script: Script;
  readonly #work: v1.StepWork.$Properties[] = [];
  #committed = 0;
  #leave!: (exit: ProcessExit) => void;
  #left = false;

  constructor(coordinatorAddress: string, runId: string, workerId: string, script: Script = {}) {
    this.#script = script;
    this.exited = new Promise((resolve) => (this.#leave = resolve));
    this.#client = connect(coordinatorAddress, credentials.createInsecure());
    this.#stream = openDuplex(this.#client, clusterService.join);
    this.#stream.on('data', (message: ToWorker) => this.#handle(message));
    this.#stream.on('error', () => this.leave({ code: 1, signal: null }));
    const fingerprint = { tensorflowVersion: '2.21.0', device: 'test', threads: script.threads ?? 1 };
    this.send({ hello: { runId, workerId, collectiveEndpoint: `tcp://${workerId}:1`, fingerprint } });
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

  #handle(message: ToWorker): void {
    this.received.push(message);
    const { stageStart, stepWork, stepCommit, saveModel, stop } = message;
    if (stageStart) this.#startStage(stageStart);
    if (stepWork) this.#work.push(stepWork);
    if (stepCommit) this.#committed = stepCommit.step ?? 0;
    if (stepWork || stepCommit) this.#workOn();
    if (saveModel) void this.#save(saveModel);
    if (stop) this.leave({ code: 0, signal: null });
  }

  #startStage(start: v1.StageStart.$Properties): void {
    this.#committed = 0;
    this.#needsReference = start.referenceSocket !== '';
    this.send(this.#script.onStageStart?.(start) ?? { stageReady: { stage: start.stage ?? 0 } });
  }

  /** A step is done only once the one before it is committed. */
  #workOn(): void {
    if (this.#work[0]?.step !== this.#committed + 1) return;
    const work = this.#work.shift()!;
    const report = reportOf(work, this.#needsReference);
    const answer =
      this.#script.onStep === undefined ? { stepReport: report } : this.#script.onStep(work, report, this);
    if (answer !== undefined) this.send(answer);
  }

  async #save({ stage, directory }: v1.SaveModel.$Properties): Promise<void> {
    await this.#script.onSave?.({ stage: stage ?? 0, directory: directory ?? '' });
    this.send({ modelSaved: { stage: stage ?? 0, directory: directory ?? '' } });
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
    gradNorm: 1 / (work.step ?? 1),
    learningRate: 0.001,
    times: { referenceMs: 1, statisticsMs: 2, gradientMs: 3, allReduceMs: 4, updateMs: 5 },
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
