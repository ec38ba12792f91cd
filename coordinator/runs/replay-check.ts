import { notify } from './active-run.js';
import type { MetricsRow } from './metrics-row.js';
import type { StageContext } from './stage-context.js';

/** Compares steps that are computed once more with what the journal has of them: they must be equal, bit for bit. */
export class ReplayCheck {
  readonly #context: StageContext;
  #told = false;

  constructor(context: StageContext) {
    this.#context = context;
  }

  /** Warns of the first difference. */
  compare(again: MetricsRow, skipped: boolean): void {
    const { run, progress } = this.#context;
    const before = progress.metricsOf(again.step);
    if (this.#told || before === undefined) return;
    const differences = (Object.keys(before) as (keyof MetricsRow)[])
      .filter((key) => key !== 'step_time_s' && !Object.is(before[key], again[key]))
      .map((key) => `${key} was ${before[key]} and is ${again[key]}`);
    const wasSkipped = progress.commitOf(again.step)?.skipped === true;
    if (wasSkipped !== skipped) differences.push(`it was ${wasSkipped ? '' : 'not '}skipped`);
    if (differences.length === 0) return;
    this.#told = true;
    const text = `step ${again.step}, computed again, gives other numbers: ${differences.join(', ')}`;
    notify(run, `${text}; the final weights will not be those of an undisturbed run`, { warning: true });
  }
}
