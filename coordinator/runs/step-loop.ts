import { needsOf } from '../../lib/methods/needs.js';
import { endRecordedStep, recorded, recordedWait } from '../../lib/profile/recorder.js';
import type { v1 } from '../../proto/services.js';
import { actionFor } from '../cluster/failure-policy.js';
import type { Generation } from '../cluster/generation.js';
import type { ReferenceAnswer, StepShare } from '../journal/records.js';
import { tokensOf } from '../plan/unit.js';
import { notify } from './active-run.js';
import type { ExpectedReports, NonFinite } from './batch-reports.js';
import { Evaluator } from './evaluator.js';
import type { Interlude } from './interlude.js';
import { expectedOf, positionsOf } from './leaf-work.js';
import type { MetricsRow } from './metrics-row.js';
import { describeNonFinite, nonFiniteError } from './non-finite.js';
import { ReplayCheck } from './replay-check.js';
import { Sampler } from './sampler.js';
import type { StageContext } from './stage-context.js';
import { StepFeed, type StepUnderWay } from './step-feed.js';
import { combineReports, type StepResult } from './step-reports.js';
import { stepRow } from './step-row.js';
import { relativePaces } from './worker-paces.js';

/** Steps sent beyond the one that is being computed, so that the reference's answers to them can be fetched early. */
const STEPS_AHEAD = 1;

/** Takes a stage from step to step, whichever generation works on it. */
export class StepLoop {
  readonly #context: StageContext;
  readonly #replay: ReplayCheck;
  readonly #interludes: readonly Interlude[];

  constructor(context: StageContext) {
    const { heldOut, samples } = context.stage;
    this.#context = context;
    this.#replay = new ReplayCheck(context);
    this.#interludes = [
      ...(heldOut === null ? [] : [new Evaluator(context, heldOut)]),
      ...(samples === null ? [] : [new Sampler(context, samples)]),
    ];
  }

  /**
   * Does all steps that are left, and what comes between them. Rejects with a Disturbance where the generation cannot, or
   * should not, go on.
   */
  async run(generation: Generation): Promise<void> {
    const { stage, progress } = this.#context;
    const feed = new StepFeed(stage, generation, progress.step, progress.answers);
    progress.startClock();
    await this.#doInterludes(generation);
    while (progress.step < stage.planner.totalSteps) {
      this.#requireToGoOn(generation);
      generation.hold(stage.number, progress.step);
      feed.sendThrough(this.#lastToSend());
      const underWay = feed.takeOldest();
      const reports = await recordedWait('wait for reports', generation.collect('stepReport'));
      await this.#commit(generation, underWay, reports);
      endRecordedStep();
      await this.#doInterludes(generation);
    }
  }

  async #doInterludes(generation: Generation): Promise<void> {
    const { progress } = this.#context;
    for (const interlude of this.#interludes) {
      if (!interlude.isDue(progress.step)) continue;
      this.#requireToGoOn(generation);
      await progress.besideSteps(() => interlude.run(generation, progress.step));
    }
  }

  /** Throws what has ended the generation, or ends it where someone could join. */
  #requireToGoOn(generation: Generation): void {
    if (this.#context.fleet.crew.hasNewcomers(generation)) generation.disturb('newcomer');
    generation.signal.throwIfAborted();
  }

  /** A few steps ahead, but none beyond one that has an interlude behind it. */
  #lastToSend(): number {
    const next = this.#context.progress.step + 1;
    for (let step = next; step < next + STEPS_AHEAD; step++) {
      if (this.#interludes.some((interlude) => interlude.isDue(step))) return step;
    }
    return next + STEPS_AHEAD;
  }

  /** The journal comes first; then the workers are told, whatever has become of the generation. */
  async #commit(
    generation: Generation,
    underWay: StepUnderWay,
    reports: readonly v1.StepReport.$Properties[],
  ): Promise<void> {
    const { run, stage, fleet, writer, progress, files, board, watch } = this.#context;
    const { step, batch } = underWay.plan;
    const result = recorded('reports into one', () =>
      combineReports(reports, this.#expected(generation, underWay)),
    );
    const skipped = result.nonFinite !== null && this.#skip(step, result.nonFinite);
    const answers = newAnswersOf(underWay, result);
    const tokens = progress.tokens + batch.reduce((sum, index) => sum + tokensOf(stage.examples[index]!), 0);
    const row = stepRow(stage, underWay.plan, result, { tokens, stepTimeS: progress.stepTimeS });
    const isNew = step > progress.committed;
    const workers = workersOf(generation, reports);
    if (isNew)
      recorded('journal', () => this.#journal(generation, underWay, { row, skipped, answers, workers }));
    else this.#replay.compare(row, skipped);

    progress.done(step, tokens);
    for (const [example, answer] of answers) progress.answers.set(example, answer);
    fleet.stepFinished(generation.members.map(({ workerId }) => workerId));
    const id = { stage: stage.number, step };
    const checkpoint = await writer.atCommit(id, generation.members);
    recorded('tell the commit', () => generation.commit({ ...id, skipped, checkpoint }));
    this.#observePaces(generation, underWay, reports);
    if (!isNew) return;
    await files.append('metrics', JSON.stringify(row));
    await board.append(row);
    watch.observe(row, workers);
    run.measured.stepCommitted(row, timesOf(generation, reports));
    if (skipped) run.measured.stepSkipped();
  }

  /** True: the step counts, and changes nothing. Throws the RunError of a run that does not want that. */
  #skip(step: number, nonFinite: NonFinite): true {
    const { run, stage } = this.#context;
    const action = actionFor({ kind: 'non-finite', onNonfinite: stage.config.onNonfinite });
    if (action !== 'skip-step') throw nonFiniteError(step, nonFinite);
    notify(run, `${describeNonFinite(`step ${step}`, nonFinite)}: the step is skipped`, { warning: true });
    return true;
  }

  #journal(
    generation: Generation,
    underWay: StepUnderWay,
    outcome: {
      readonly row: MetricsRow;
      readonly skipped: boolean;
      readonly answers: ReadonlyMap<number, ReferenceAnswer>;
      readonly workers: readonly v1.WorkerStep.$Properties[];
    },
  ): void {
    const { run, stage } = this.#context;
    const { plan } = underWay;
    const rowOf = (position: number) => stage.examples[plan.batch[position]!]!.row;
    const work = generation.members.map(({ workerId }, rank): StepShare => ({
      workerId,
      rows: positionsOf(underWay, rank).map(rowOf),
    }));
    run.journal.commitStep(run.record.id, {
      stage: stage.number,
      step: plan.step,
      generation: generation.number,
      skipped: outcome.skipped,
      metricsJson: JSON.stringify(outcome.row),
      work,
      answers: outcome.answers,
      workers: outcome.workers,
    });
  }

  #expected(generation: Generation, underWay: StepUnderWay): ExpectedReports {
    const { stage, progress } = this.#context;
    const { step, batch } = underWay.plan;
    const { reference } = needsOf(stage.config.objective);
    // An example's answer is the one of its leaf of epoch 0 (DESIGN section 2).
    const answers = reference && !batch.every((index) => progress.answers.has(index));
    return expectedOf(stage, underWay, generation, {
      what: `step ${step}`,
      stage: stage.number,
      step,
      answers,
    });
  }

  #observePaces(
    generation: Generation,
    { runStarts }: StepUnderWay,
    reports: readonly v1.StepReport.$Properties[],
  ): void {
    const { run } = this.#context;
    const paces = reports.map(({ times }, rank) => ({
      workerId: generation.workerId(rank),
      computeMs: (times?.statisticsMs ?? 0) + (times?.gradientMs ?? 0),
      leaves: runStarts[rank + 1]! - runStarts[rank]!,
    }));
    run.measured.observePaces(paces, relativePaces(paces));
  }
}

/** The answers that the step brought, by example. */
function newAnswersOf({ plan }: StepUnderWay, result: StepResult): Map<number, ReferenceAnswer> {
  const answers = new Map<number, ReferenceAnswer>();
  plan.batch.forEach((example, position) => {
    const { answer } = result.examples[position]!;
    if (answer !== null) answers.set(example, answer);
  });
  return answers;
}

function timesOf(generation: Generation, reports: readonly v1.StepReport.$Properties[]) {
  const times = new Map<string, v1.StepTimes.$Properties>();
  reports.forEach((report, rank) => {
    if (report.times) times.set(generation.workerId(rank), report.times);
  });
  return times;
}

function workersOf(
  generation: Generation,
  reports: readonly v1.StepReport.$Properties[],
): v1.WorkerStep.$Properties[] {
  return reports.map(({ examples, times }, rank) => ({
    workerId: generation.workerId(rank),
    examples: examples?.length ?? 0,
    times: times ?? null,
  }));
}
