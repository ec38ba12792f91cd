import { v1 } from '../../proto/services.js';
import { Diagnosis, openConditions, type DiagnosisNotice } from '../diagnosis/diagnosis.js';
import { notify, type ActiveRun } from './active-run.js';
import type { MetricsRow } from './metrics-row.js';
import type { PreparedStage } from './prepare.js';

/** Puts a stage's diagnosis into the journal, where a resumed stage finds what was said before. */
export class StageWatch {
  readonly #run: ActiveRun;
  readonly #diagnosis: Diagnosis;

  /** @param rows of the stage's steps that are committed already */
  constructor(run: ActiveRun, { number, config, facts }: PreparedStage, rows: readonly MetricsRow[]) {
    this.#run = run;
    const open = openConditions(noticesOf(run));
    this.#diagnosis = new Diagnosis(number, config.objective.method, { rows, open });
    this.#tell(this.#diagnosis.begin(facts));
  }

  /** A step is committed for the first time. */
  observe(row: MetricsRow, workers: readonly v1.WorkerStep.$Properties[]): void {
    const loads = workers.map(({ workerId, examples, times }) => ({
      id: workerId ?? '',
      examples: examples ?? 0,
      gradientMs: times?.gradientMs ?? 0,
    }));
    this.#tell(this.#diagnosis.observe({ row, workers: loads }));
  }

  /** The stage has ended. */
  end(): void {
    this.#tell(this.#diagnosis.end());
  }

  #tell(notices: readonly DiagnosisNotice[]): void {
    for (const { text, warning, condition } of notices) notify(this.#run, text, { warning, condition });
  }
}

function* noticesOf({ journal, record }: ActiveRun): Generator<DiagnosisNotice> {
  for (const { notice } of journal.events(record.id)) {
    if (!notice) continue;
    const { text, warning, condition } = v1.Notice.create(notice);
    yield { text, warning, condition };
  }
}
