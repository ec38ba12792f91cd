import { v1 } from '../../../proto/services.js';
import { parseEvaluation, type BeforeAfter } from '../evaluation/evaluations.js';
import type { Events } from './watch.js';

/** The held-out rows of a run's stage, as the events that have passed tell of them. */
export class EvaluationMemory {
  private known: BeforeAfter | null = null;

  /** @param stage from 1 */
  constructor(private readonly stage: number) {}

  /** Null where nothing was judged. */
  get beforeAfter(): BeforeAfter | null {
    return this.known;
  }

  /** The same events. @throws RunError for one that cannot be read */
  async *watch(events: Events): AsyncGenerator<v1.WatchRunResponse> {
    for await (const event of events) {
      if (event.evaluated) this.remember(v1.Evaluated.create(event.evaluated));
      yield event;
    }
  }

  /** A run that goes on again may judge the same step again, with the same result. */
  private remember({ stage, step, metricsJson }: v1.Evaluated): void {
    if (stage !== this.stage || step <= (this.known?.after.step ?? -1)) return;
    const after = parseEvaluation(metricsJson, `held-out rows after step ${step}`);
    this.known = { before: this.known?.before ?? after, after };
  }
}
