import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { Collective } from '../collective/collective.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { OpenPolicy, PolicyEngine } from '../compute/policy-engine.js';
import type { ReferenceObserver } from '../reference/client.js';
import type { CoordinatorLink } from './coordinator-link.js';
import { StageTrainer, type Place } from './stage.js';
import type { StepOutcome } from './step.js';
import type { StepTask } from './work.js';

/** A worker's life in one run: does what the coordinator says. */
export class Session {
  private place: Place | null = null;
  private stage: StageTrainer | null = null;

  constructor(
    private readonly link: CoordinatorLink,
    private readonly policy: EngineThread<OpenPolicy, PolicyEngine>,
    private readonly collective: Collective,
    private readonly onStep: (task: StepTask, outcome: StepOutcome) => void,
    private readonly observer: ReferenceObserver,
  ) {}

  /** Follows the coordinator; ends only by an error. */
  async run(): Promise<never> {
    try {
      for (;;) {
        const message = await this.link.control.next();
        switch (message.kind) {
          case 'membership':
            await this.join(message.membership);
            break;
          case 'stageStart':
            await this.train(message.stageStart);
            break;
          case 'saveModel':
            await this.save(message.saveModel);
            break;
        }
      }
    } finally {
      this.stage?.close();
    }
  }

  /** Work arrived on the stream. Its stage is open: the coordinator sends none before StageReady. */
  prepare(work: v1.StepWork): void {
    if (this.stage === null)
      throw new RunError(`the coordinator sent work for step ${work.step} before a stage`);
    this.stage.prepare(work);
  }

  private async join({ generation, rank, members }: v1.Membership): Promise<void> {
    const endpoints = members.map(({ collectiveEndpoint }) => collectiveEndpoint ?? '');
    await this.collective.connect({ generation, rank, endpoints });
    this.place = { generation, rank, worldSize: members.length };
  }

  private async train(start: v1.StageStart): Promise<void> {
    if (this.place === null)
      throw new RunError('the coordinator started a stage before it named the members');
    if (start.heartbeatIntervalMs === 0)
      throw new RunError('the coordinator did not say how often it wants a heartbeat');
    this.link.beatEvery(start.heartbeatIntervalMs);
    this.stage?.close();
    const { place, policy, collective, observer } = this;
    const trainer = await StageTrainer.open(start, place, policy, collective, observer);
    this.stage = trainer;
    this.link.send({
      stageReady: {
        stage: start.stage,
        trainableParameters: trainer.trainableParameters,
      },
    });
    await trainer.train(this.link, this.onStep);
  }

  private async save({ stage, directory }: v1.SaveModel): Promise<void> {
    await this.policy.call('save', directory);
    this.link.send({ modelSaved: { stage, directory } });
  }
}
