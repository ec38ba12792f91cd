import type { v1 } from '../../proto/services.js';
import type { Generation } from '../cluster/generation.js';
import { notify } from './active-run.js';
import { combineEvaluation, type EvaluationResult } from './evaluation-reports.js';
import { evaluationRow } from './evaluation-row.js';
import { exampleResults } from './example-results.js';
import { comesAfter, type Interlude } from './interlude.js';
import { commonWork, dealBatch, expectedOf, leafWork, type BatchRows, type DealtBatch } from './leaf-work.js';
import { describeNonFinite } from './non-finite.js';
import type { HeldOutRows } from '../plan/held-out.js';
import type { StageContext } from './stage-context.js';

/** Has the workers judge a stage's held-out rows, forward only. */
export class Evaluator implements Interlude {
  readonly #context: StageContext;
  readonly #rows: HeldOutRows & BatchRows;
  /** Steps after which the journal has a judgement. */
  readonly #done: Set<number>;

  constructor(context: StageContext, heldOut: HeldOutRows) {
    const { run, stage } = context;
    this.#context = context;
    this.#rows = { ...heldOut, config: stage.config };
    const recorded = run.journal.evaluations(run.record.id);
    this.#done = new Set(recorded.filter(({ stage: of }) => of === stage.number).map(({ step }) => step));
  }

  isDue(step: number): boolean {
    const { config, planner } = this.#context.stage;
    return comesAfter(step, config.evalSteps, planner.totalSteps) && !this.#done.has(step);
  }

  async run(generation: Generation, step: number): Promise<void> {
    const begunMs = performance.now();
    const batch = dealBatch(this.#rows.plan, generation);
    this.#send(generation, step, batch);
    const reports = await generation.collect('evaluationReport');
    const durationMs = performance.now() - begunMs;
    await this.#record(step, combineEvaluation(reports, this.#expected(generation, step, batch)), durationMs);
  }

  /** It goes to all members, who hold the state of this generation from the first work on. */
  #send(generation: Generation, step: number, batch: DealtBatch): void {
    const { number: stage } = this.#context.stage;
    generation.hold(stage, step);
    for (let rank = 0; rank < generation.size; rank++) {
      const work: v1.EvaluationWork.$Properties = {
        stage,
        step,
        generation: generation.number,
        ...commonWork(batch),
        // Held-out rows are the same every time: the replica has its answers to them on its disk.
        ...leafWork(this.#rows, batch, rank, new Map()),
      };
      generation.send(rank, { evaluationWork: work });
    }
  }

  #expected(generation: Generation, step: number, batch: DealtBatch) {
    const { number: stage } = this.#context.stage;
    const what = `the held-out rows after step ${step}`;
    return expectedOf(this.#rows, batch, generation, { what, stage, step, answers: false });
  }

  /** The journal comes first. Numbers that are not finite are told of, and nothing depends on them. */
  async #record(step: number, result: EvaluationResult, durationMs: number): Promise<void> {
    const { run, stage, files, board } = this.#context;
    const { objective } = stage.config;
    const { z0, klUnclamped, nonFinite } = result;
    const row = evaluationRow(
      {
        step,
        stage: stage.number,
        objective,
        epoch: step / stage.planner.stepsPerEpoch,
        z0,
        klUnclamped,
        eval_runtime_s: durationMs / 1000,
      },
      exampleResults(this.#rows, this.#rows.plan, result.examples),
    );
    if (nonFinite !== null) {
      const text = describeNonFinite(`held-out rows after step ${step}`, nonFinite);
      notify(run, `stage ${stage.number} (${objective.method}): ${text}`, { warning: true });
    }
    const metricsJson = JSON.stringify(row);
    run.journal.addEvaluation(run.record.id, { stage: stage.number, step, metricsJson, durationMs });
    this.#done.add(step);
    await files.append('evaluations', metricsJson);
    await board.appendEvaluation(row);
  }
}
