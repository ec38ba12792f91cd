import { join } from 'node:path';
import { messageOf, RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { CheckpointWriter } from '../checkpoint/checkpoint-writer.js';
import type { Collective } from '../collective/collective.js';
import type { PolicyThread } from '../compute/policy-engine.js';
import type { ReferenceObserver } from '../reference/client.js';
import type { CoordinatorLink, Order } from './coordinator-link.js';
import { Generation, GenerationOver } from './generation.js';
import { OpenStage } from './stage.js';
import type { StepOutcome } from './step.js';
import type { StepTask } from './work.js';

/** Who this worker is, to every coordinator that it meets. */
export type Identity = Required<
  Pick<
    v1.Hello.$Properties,
    'runId' | 'workerId' | 'sessionId' | 'collectiveEndpoint' | 'collectivePublicKey' | 'fingerprint'
  >
>;

export interface SessionParts {
  readonly identity: Identity;
  readonly link: CoordinatorLink;
  readonly policy: PolicyThread;
  readonly collective: Collective;
  readonly checkpoints: CheckpointWriter;
  /** The coordinator has taken this worker in. */
  readonly onJoined: () => void;
  readonly onStep: (task: StepTask, outcome: StepOutcome) => void;
  /** Of this node's own replica; null where the coordinator has started one, and names its socket with the stage. */
  readonly referenceSocket: string | null;
  readonly referenceObserver: ReferenceObserver;
}

/**
 * A worker's life in one run: does what the coordinator says, order by order. A generation goes on beside that, and what
 * the next order must not meet it in the middle of, ends it first.
 */
export class Session {
  private stage: OpenStage | null = null;
  private generation: Generation | null = null;

  constructor(private readonly parts: SessionParts) {}

  /** Follows the coordinator; ends only by an error. */
  async run(): Promise<never> {
    const { link } = this.parts;
    try {
      await link.join(this.hello());
      for (;;) await this.follow(await link.orders.next());
    } finally {
      await this.endGeneration('the worker ends');
      this.stage?.close();
    }
  }

  private async follow(order: Order): Promise<void> {
    switch (order.kind) {
      case 'stageStart':
        return this.openStage(order.stageStart);
      case 'membership':
        return this.beginGeneration(order.membership);
      case 'stepWork':
        return this.generation?.take(order.stepWork);
      case 'evaluationWork':
        return this.generation?.takeEvaluation(order.evaluationWork);
      case 'sampleWork':
        return this.generation?.takeSamples(order.sampleWork);
      case 'stepCommit':
        return this.commit(order.stepCommit);
      case 'writeCheckpoint':
        return this.writeCheckpoint(order.writeCheckpoint);
      case 'saveModel':
        return this.save(order.saveModel);
      case 'disconnected':
        await this.endGeneration('the coordinator is gone');
        return this.parts.link.join(this.hello());
    }
  }

  private hello(): v1.Hello.$Properties {
    const committed = this.stage?.state.committed ?? null;
    if (this.stage === null || committed === null) return this.parts.identity;
    const { facts, state } = this.stage;
    const { step, place } = committed;
    return {
      ...this.parts.identity,
      held: { stage: facts.stage, step, proposedStep: state.proposedStep ?? 0, ...place },
    };
  }

  private async openStage(start: v1.StageStart): Promise<void> {
    const { link, policy, collective, referenceObserver } = this.parts;
    start.referenceSocket = this.parts.referenceSocket ?? start.referenceSocket;
    if (start.heartbeatIntervalMs === 0)
      throw new RunError('the coordinator did not say how often it wants a heartbeat');
    link.beatEvery(start.heartbeatIntervalMs);
    if (this.stage === null) this.parts.onJoined();
    await this.endGeneration('a stage starts');
    if (this.stage?.takeAgain(start) !== true) {
      this.stage?.close();
      this.stage = await OpenStage.open(start, policy, collective, referenceObserver);
    }
    const { trainableParameters } = this.stage;
    link.send({ stageReady: { stage: start.stage, trainableParameters } });
  }

  private async beginGeneration(membership: v1.Membership): Promise<void> {
    const { link, onStep } = this.parts;
    await this.endGeneration(`generation ${membership.generation} follows`);
    this.generation = new Generation(membership, this.openedStage('members'), {
      send: (message) => link.send(message),
      onStep,
    });
    this.generation.ended.catch((error: unknown) =>
      link.orders.fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private async endGeneration(reason: string): Promise<void> {
    const { generation } = this;
    this.generation = null;
    await generation?.end(new GenerationOver(reason));
  }

  private async commit(commit: v1.StepCommit): Promise<void> {
    const { state } = this.openedStage('a commit');
    await state.commit(commit);
    if (commit.checkpoint !== '') await this.beginCheckpoint(commit, commit.checkpoint);
    this.generation?.committed(commit);
  }

  private async writeCheckpoint(order: v1.WriteCheckpoint): Promise<void> {
    await this.endGeneration('a checkpoint is written');
    await this.beginCheckpoint(order, order.directory);
  }

  /** Copies this worker's part, and has it written beside what follows. */
  private async beginCheckpoint(
    { stage, step }: { readonly stage: number; readonly step: number },
    directory: string,
  ): Promise<void> {
    const { link, checkpoints } = this.parts;
    const answer = (part: v1.CheckpointPart.$Properties) =>
      link.send({ checkpointPart: { stage, step, ...part } });
    const { state } = this.openedStage('a checkpoint');
    const { committed } = state;
    if (committed?.step !== step) {
      answer({ error: `this worker holds step ${committed?.step ?? 'none'}` });
      return;
    }
    const { rank, worldSize } = committed.place;
    const file = `part-${rank}-of-${worldSize}.safetensors`;
    const { range, copy } = await state.copyOwned();
    const { size } = state.layout;
    checkpoints.write({ file: join(directory, file), range, size, ...copy }).then(
      (written) => answer({ file, ...range, size, ...written }),
      (error: unknown) => answer({ error: messageOf(error) }),
    );
  }

  private async save({ stage, directory }: v1.SaveModel): Promise<void> {
    const { state } = this.openedStage('an order to save');
    await this.parts.policy.call('save', state.arranged.weights, directory);
    this.parts.link.send({ modelSaved: { stage, directory } });
  }

  private openedStage(before: string): OpenStage {
    if (this.stage === null) throw new RunError(`the coordinator sent ${before} before a stage`);
    return this.stage;
  }
}
