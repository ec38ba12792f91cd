import type { ReferenceAnswer } from '../journal/records.js';
import type { ActiveRun } from './active-run.js';
import type { MetricsRow } from './metrics-row.js';

/** How far a stage has come. The journal knows what is committed; the workers may hold the state of an earlier step. */
export class StageProgress {
  /** The reference's answers so far, by example. */
  readonly answers: Map<number, ReferenceAnswer>;
  readonly #run: Pick<ActiveRun, 'journal' | 'record'>;
  readonly #stage: number;
  #committed: number;
  #step = 0;
  #tokens = 0;
  #stepsDone = 0;
  #sinceMs: number | null = null;

  constructor(run: Pick<ActiveRun, 'journal' | 'record'>, stage: number) {
    this.#run = run;
    this.#stage = stage;
    this.#committed = run.journal.lastStep(run.record.id, stage);
    this.answers = run.journal.referenceAnswers(run.record.id, stage);
  }

  /** The last step in the journal. */
  get committed(): number {
    return this.#committed;
  }

  /** The step after which the workers go on: the last committed one, or an earlier one that they start from again. */
  get step(): number {
    return this.#step;
  }

  /** Prompt and completion tokens of the stage through `step`. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Of the stage's steps through `step`, those that changed the weights. */
  get updates(): number {
    return this.#run.journal.updatesThrough(this.#run.record.id, this.#stage, this.#step);
  }

  /** Steps done here, those that were done once more included. */
  get stepsDone(): number {
    return this.#stepsDone;
  }

  /** Since the last step was done, whatever came in between; for the first one, since work began. */
  get stepTimeS(): number {
    return (performance.now() - (this.#sinceMs ?? performance.now())) / 1000;
  }

  /** Work begins, for the first time or again. */
  startClock(): void {
    this.#sinceMs ??= performance.now();
  }

  /** Does work that is no step's: its time does not count. */
  async besideSteps(work: () => Promise<void>): Promise<void> {
    const begunMs = performance.now();
    try {
      await work();
    } finally {
      if (this.#sinceMs !== null) this.#sinceMs += performance.now() - begunMs;
    }
  }

  /** The workers go on after this step. */
  goTo(step: number): void {
    this.#step = step;
    this.#tokens = this.metricsOf(step)?.num_tokens ?? 0;
  }

  /** A step is done, for the first time or once more. */
  done(step: number, tokens: number): void {
    this.#step = step;
    this.#tokens = tokens;
    this.#stepsDone += 1;
    this.#committed = Math.max(this.#committed, step);
    this.#sinceMs = performance.now();
  }

  /** How a committed step was journaled. */
  commitOf(step: number): { readonly skipped: boolean } | undefined {
    return this.#run.journal.findStep(this.#run.record.id, this.#stage, step);
  }

  metricsOf(step: number): MetricsRow | undefined {
    const record = this.#run.journal.findStep(this.#run.record.id, this.#stage, step);
    return record === undefined ? undefined : (JSON.parse(record.metricsJson) as MetricsRow);
  }
}
