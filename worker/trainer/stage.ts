import { RunError } from '../../lib/errors.js';
import { parseRunFile } from '../../lib/config/load.js';
import type { StageConfig } from '../../lib/config/types.js';
import type { v1 } from '../../proto/services.js';
import type { Collective } from '../collective/collective.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { OpenPolicy, PolicyEngine } from '../compute/policy-engine.js';
import { objectiveOf } from '../losses/methods.js';
import { needsOf, type MethodNeeds } from '../../lib/methods/needs.js';
import { requireResolved } from '../../lib/methods/weights.js';
import { describeModel } from '../model/description.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { answerMessage } from '../reference/answer.js';
import { ReferenceClient, type ReferenceObserver } from '../reference/client.js';
import type { CoordinatorLink } from './coordinator-link.js';
import { trainStep, type LeafAnswers, type StepContext, type StepOutcome } from './step.js';
import { readStepWork, type Expected, type StepTask } from './work.js';

/** This worker's place among the workers of one generation. */
export interface Place {
  readonly generation: number;
  readonly rank: number;
  readonly worldSize: number;
}

interface ReadyStep {
  readonly task: StepTask;
  readonly answers: Promise<LeafAnswers> | null;
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
    observer: ReferenceObserver,
  ): Promise<StageTrainer> {
    const stage = stageOf(start);
    const { rank, worldSize } = place;
    const { vocabSize } = describeModel(stage.model).config;
    await policy.open({ stage, rank, worldSize });
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
    const needs = needsOf(stage.objective);
    const expected = { ...place, stage: start.stage, vocabSize, needs };
    return new StageTrainer(context, expected, openReference(start, needs, observer));
  }

  get trainableParameters(): number {
    return this.context.layout.parameterCount;
  }

  /** Work has arrived, perhaps a step ahead: asks the reference for its answers at once. */
  prepare(work: v1.StepWork): void {
    const task = readStepWork(work, this.expected);
    const { reference } = this;
    const answers = reference && inOrder(task.leaves, (leaf) => reference.answers(leaf));
    // A failure is raised where the step awaits the answers; until then nobody else does.
    answers?.catch(() => undefined);
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

/** The stage's settings, and the model directory that it starts from. */
function stageOf({ runYaml }: v1.StageStart): StageConfig & { readonly model: string } {
  const file = 'the run file from the coordinator';
  const [stage] = parseRunFile(runYaml, file, { baseDir: '/' }).stages;
  const { model } = stage;
  if (model === null) throw new RunError(`${file} names no model`);
  return { ...stage, model };
}

function openReference(
  { referenceSocket }: v1.StageStart,
  needs: MethodNeeds,
  observer: ReferenceObserver,
): ReferenceClient | null {
  if (!needs.reference) return null;
  if (referenceSocket === '') throw new RunError('the method needs a reference replica, and none was given');
  return new ReferenceClient(referenceSocket, needs.tokenLevel, observer);
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
      const { loss, logps, rewards } = outcome.terms[i]![j]!;
      const answer = outcome.reference?.[i]?.[j];
      return {
        position,
        loss,
        logps: [...logps],
        rewards: rewards.filter((reward) => reward !== null),
        reference: answer === undefined ? null : answerMessage(answer),
      };
    }),
  );
  const { times } = outcome;
  return {
    stage: task.stage,
    step: task.step,
    generation,
    examples,
    z0: outcome.statistics.z0 ?? null,
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
