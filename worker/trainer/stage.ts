import { RunError } from '../../lib/errors.js';
import { parseRunFile } from '../../lib/config/load.js';
import type { StageConfig } from '../../lib/config/types.js';
import { requireResolved } from '../../lib/methods/weights.js';
import type { v1 } from '../../proto/services.js';
import type { Collective } from '../collective/collective.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { OpenPolicy, PolicyEngine } from '../compute/policy-engine.js';
import { objectiveOf } from '../losses/objective.js';
import { describeModel } from '../model/description.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { ReferenceClient, type ReferenceAnswers } from '../reference/client.js';
import type { CoordinatorLink } from './coordinator-link.js';
import { trainStep, type StepContext, type StepOutcome } from './step.js';
import { readStepWork, type Expected, type StepTask } from './work.js';

/** This worker's place among the workers of one generation. */
export interface Place {
  readonly generation: number;
  readonly rank: number;
  readonly worldSize: number;
}

interface ReadyStep {
  readonly task: StepTask;
  readonly answers: Promise<readonly ReferenceAnswers[]> | null;
}

/** One stage on this worker: the open policy, and its steps in order. */
export class StageTrainer {
  private readonly arrived = new Map<number, ReadyStep>();

  private constructor(
    private readonly context: StepContext,
    private readonly expected: Expected,
    private readonly reference: ReferenceClient | null,
  ) {}

  /** Opens the stage's model on the compute thread. */
  static async open(
    start: v1.StageStart,
    place: Place,
    policy: EngineThread<OpenPolicy, PolicyEngine>,
    collective: Collective,
  ): Promise<StageTrainer> {
    const stage = stageOf(start);
    const { modelDir } = start;
    const { rank, worldSize } = place;
    const { config } = describeModel(modelDir);
    await policy.open({ modelDir, stage, rank, worldSize });
    const { layout, weights } = await policy.call('opened');
    const context: StepContext = {
      stage,
      totalSteps: start.totalSteps,
      rank,
      objective: objectiveOf(requireResolved(stage.objective)),
      policy,
      collective,
      layout,
      weights: [FlatBuffer.wrap(layout, weights[0]), FlatBuffer.wrap(layout, weights[1])],
    };
    const reference = start.referenceSocket === '' ? null : new ReferenceClient(start.referenceSocket);
    return new StageTrainer(
      context,
      { ...place, stage: start.stage, vocabSize: config.vocabSize },
      reference,
    );
  }

  get trainableParameters(): number {
    return this.context.layout.parameterCount;
  }

  /** Work has arrived, perhaps a step ahead: asks the reference for its answers at once. */
  prepare(work: v1.StepWork): void {
    const task = readStepWork(work, this.expected);
    const { objective } = this.context;
    let answers: ReadyStep['answers'] = null;
    if (objective.needsReference) {
      const { reference } = this;
      if (reference === null)
        throw new RunError(
          `${this.context.stage.objective.method} needs a reference replica, and none was given`,
        );
      answers = inOrder(task.leaves, (leaf) => reference.answers(leaf));
      // A failure is raised where the step awaits the answers; until then nobody else does.
      answers.catch(() => undefined);
    }
    this.arrived.set(task.step, { task, answers });
  }

  /** Trains all steps of the stage; each waits for its commit before the next one begins. */
  async train(link: CoordinatorLink, onStep: (task: StepTask, outcome: StepOutcome) => void): Promise<void> {
    for (let step = 1; step <= this.context.totalSteps; step++) {
      const work = await link.work.next();
      const ready = this.arrived.get(step);
      if (ready === undefined)
        throw new RunError(`the coordinator sent work for step ${work.step} instead of ${step}`);
      this.arrived.delete(step);
      const outcome = await trainStep(ready.task, ready.answers, this.context);
      link.send({ stepReport: reportOf(ready.task, outcome, this.expected.generation) });
      const commit = await link.commits.next();
      if (commit.step !== step)
        throw new RunError(`the coordinator committed step ${commit.step} instead of ${step}`);
      await this.context.policy.call('commit');
      onStep(ready.task, outcome);
    }
  }

  close(): void {
    this.reference?.close();
  }
}

function stageOf({ runYaml, stage }: v1.StageStart): StageConfig {
  const file = 'the run file from the coordinator';
  const { stages } = parseRunFile(runYaml, file, { baseDir: '/' });
  const config = stages[stage - 1];
  if (config === undefined)
    throw new RunError(`${file} has ${stages.length} stages, and stage ${stage} is to start`);
  return config;
}

/** One leaf at a time: the replica computes one after the other anyway, and the first answers are needed first. */
async function inOrder<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await ask(item));
  return results;
}

function reportOf(task: StepTask, outcome: StepOutcome, generation: number): v1.StepReport.$Properties {
  const examples = task.leaves.flatMap((leaf, i) =>
    leaf.map(({ position }, j) => {
      const { loss, logp, reward } = outcome.terms[i]![j]!;
      return {
        position,
        loss,
        logp,
        reward,
        referenceLogp: outcome.reference?.[i]?.own[j] ?? null,
        mismatchedReferenceLogp: outcome.reference?.[i]?.mismatched[j] ?? null,
      };
    }),
  );
  const { times } = outcome;
  return {
    stage: task.stage,
    step: task.step,
    generation,
    examples,
    z0: outcome.statistic,
    gradNorm: outcome.gradientNorm,
    learningRate: outcome.learningRate,
    times: {
      referenceMs: times.reference,
      statisticsMs: times.statistic,
      gradientMs: times.gradient,
      allReduceMs: times.allReduce,
      updateMs: times.update,
    },
  };
}
