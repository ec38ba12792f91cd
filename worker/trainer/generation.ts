import { RunError } from '../../lib/errors.js';
import { v1 } from '../../proto/services.js';
import { CollectiveError } from '../collective/collective-error.js';
import type { Place } from '../parameters/optimizer-part.js';
import { endRecordedStep, recordedWait } from '../../lib/profile/recorder.js';
import { Mailbox } from './mailbox.js';
import { evaluateRows } from './evaluation.js';
import type { LeafAnswers } from './leaf-inputs.js';
import { evaluationReportOf, reportOf } from './report.js';
import { continuePrompts } from './samples.js';
import type { OpenStage } from './stage.js';
import { arrangeState, type StateOrder } from './state/arrange.js';
import { trainStep, type StepOutcome } from './step.js';
import {
  readLeafWork,
  readSampleWork,
  type BatchTask,
  type Expected,
  type SampleTask,
  type StepTask,
} from './work.js';

/** Why a generation's work was broken off: another one follows. */
export class GenerationOver extends Error {
  override readonly name = 'GenerationOver';
}

export interface GenerationEvents {
  send(message: v1.JoinRequest.$Properties): void;
  onStep(task: StepTask, outcome: StepOutcome): void;
}

/**
 * This worker's part in one generation: connects to the others, arranges the state that all start from, and computes the
 * steps that come, each after the commit of the one before. It ends by `end`, or by itself where the workers cannot go on
 * together, which it tells the coordinator.
 */
export class Generation {
  readonly number: number;
  /** Rejects with what is neither the generation's end nor the collective's failure. */
  readonly ended: Promise<void>;
  private readonly place: Place;
  private readonly memberIds: readonly string[];
  /** What is to be done, one after the other. */
  private readonly work = new Mailbox<() => Promise<void>>();
  private readonly commits = new Mailbox<{ readonly skipped: boolean }>();
  private readonly over = new AbortController();

  constructor(
    private readonly membership: v1.Membership,
    private readonly stage: OpenStage,
    private readonly events: GenerationEvents,
  ) {
    const { generation, rank, members } = membership;
    this.number = generation;
    this.place = { rank, worldSize: members.length };
    this.memberIds = members.map(({ workerId }) => workerId ?? '');
    this.ended = this.run();
  }

  /** Work has come, perhaps a step ahead: asks the reference for its answers at once. Work of another generation is void. */
  async take(work: v1.StepWork): Promise<void> {
    if (work.generation !== this.number) return;
    const task = readLeafWork(work, this.expected);
    await this.stage.state.adopt();
    const answers = this.askReference(task);
    this.work.put(() => this.trainNext(task, answers));
  }

  /** Held-out rows have come, to be judged between two steps: asks the reference at once. */
  async takeEvaluation(work: v1.EvaluationWork): Promise<void> {
    if (work.generation !== this.number) return;
    const task = readLeafWork(work, this.expected);
    await this.stage.state.adopt();
    const answers = this.askReference(task);
    this.work.put(() => this.evaluate(task, answers));
  }

  /**
   * Prompts have come, to be continued between two steps. Since the other members get none, the state that the generation
   * starts from is read as it was arranged, and adopted by all of them with the next work.
   */
  takeSamples(work: v1.SampleWork): void {
    if (work.generation !== this.number) return;
    const task = readSampleWork(work, this.expected);
    this.work.put(() => this.sample(task));
  }

  /** The step that was reported is committed, and applied. */
  committed(outcome: { readonly skipped: boolean }): void {
    this.commits.put(outcome);
  }

  /** Breaks off what is under way; resolves when nothing of it goes on. */
  async end(reason: GenerationOver): Promise<void> {
    this.over.abort(reason);
    this.stage.context.collective.abort(reason);
    this.work.fail(reason);
    this.commits.fail(reason);
    await this.ended;
    this.stage.state.dropDraft();
  }

  private async run(): Promise<void> {
    try {
      await this.enter();
      for (;;) await (await recordedWait('wait for work', this.work.next()))();
    } catch (error) {
      if (error instanceof GenerationOver) return;
      if (!(error instanceof CollectiveError)) throw error;
      const suspects = error.suspects.map((rank) => this.memberIds[rank] ?? '');
      this.events.send({
        collectiveFailure: { generation: this.number, reason: error.message, suspects },
      });
    }
  }

  private async enter(): Promise<void> {
    const { collective } = this.stage.context;
    const { members } = this.membership;
    const endpoints = members.map(({ collectiveEndpoint }) => collectiveEndpoint ?? '');
    const publicKeys = members.map(({ collectivePublicKey }) => collectivePublicKey ?? '');
    await collective.connect({ generation: this.number, rank: this.place.rank, endpoints, publicKeys });
    const { signal } = this.over;
    await arrangeState(
      this.stage.state,
      orderOf(this.membership, this.stage, this.place),
      collective,
      signal,
    );
    signal.throwIfAborted();
    this.events.send({ generationReady: { generation: this.number } });
  }

  private get expected(): Expected {
    return { ...this.stage.facts, ...this.place, generation: this.number };
  }

  private askReference({ leaves }: BatchTask): Promise<LeafAnswers> | null {
    const answers = this.stage.askReference(leaves, this.over.signal);
    // A failure is raised where the work awaits the answers; until then nobody else does.
    answers?.catch(() => undefined);
    return answers;
  }

  private async evaluate(task: BatchTask, answers: Promise<LeafAnswers> | null): Promise<void> {
    requireStep('judge held-out rows', task, this.stage.state.current());
    const outcome = await evaluateRows(task, answers, this.stage.context, this.over.signal);
    this.events.send({ evaluationReport: evaluationReportOf(task, outcome, this.number) });
  }

  private async sample(task: SampleTask): Promise<void> {
    const { state, context } = this.stage;
    const { step, weights } = state.arranged;
    requireStep('continue prompts', task, { step });
    const samples = await continuePrompts(task, weights, context.policy, this.over.signal);
    const { stage } = task;
    this.events.send({ samples: { stage, step, generation: this.number, samples } });
  }

  private async trainNext(task: StepTask, answers: Promise<LeafAnswers> | null): Promise<void> {
    const { state, context } = this.stage;
    const start = state.current();
    if (task.step !== start.step + 1)
      throw new RunError(`the coordinator sent work for step ${task.step} after step ${start.step}`);
    state.beginStep();
    const outcome = await trainStep(task, answers, context, { ...start, signal: this.over.signal });
    state.propose(task.step);
    this.events.send({ stepReport: reportOf(task, outcome, this.number) });
    await recordedWait('wait for the commit', this.commits.next());
    endRecordedStep();
    this.events.onStep(task, outcome);
  }
}

/** What is done between two steps is of the one before, which all members must hold. */
function requireStep(what: string, task: { readonly step: number }, held: { readonly step: number }): void {
  if (task.step === held.step) return;
  throw new RunError(
    `the coordinator wants to ${what} after step ${task.step}, but this is step ${held.step}`,
  );
}

function orderOf({ state, members }: v1.Membership, stage: OpenStage, place: Place): StateOrder {
  if (!state) throw new RunError('the coordinator named members but not the state that they start from');
  if (state.stage !== stage.facts.stage)
    throw new RunError(
      `the coordinator named members for stage ${state.stage ?? 0}, not ${stage.facts.stage}`,
    );
  return {
    stage: state.stage,
    step: state.step ?? 0,
    updates: state.updates ?? 0,
    place,
    source: state.source ?? v1.StateSource.STATE_SOURCE_UNSPECIFIED,
    held: members
      .map(({ held }) => held && { rank: held.rank ?? 0, worldSize: held.worldSize ?? 0 })
      .map((held) => held ?? null),
    checkpoint: state.checkpoint ?? '',
  };
}
