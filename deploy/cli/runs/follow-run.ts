import { RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import type { ProgressDisplay } from '../progress/display.js';
import { beginStage, commitStep, type StageProgress } from '../progress/state.js';
import { parseStepMetrics } from '../progress/step-metrics.js';
import { requireEnded } from './outcome.js';
import { tellNews, type Tell } from './story.js';

/** Follows one run, also over several coordinators that come one after the other: each event is shown once. */
export class RunFollower {
  private progress: StageProgress | null = null;
  private last: v1.Run.$Properties | null = null;
  private lastSequence = 0;
  /** Steps that were seen committed. */
  private steps = 0;
  private readonly sinceMs: number;
  private readonly tell: Tell;

  /**
   * @param sinceMs events from before are not shown: they are of an earlier attempt. By default all are.
   * @param tell what of the events is shown as a line; by default the news.
   */
  constructor(
    private readonly display: ProgressDisplay,
    { sinceMs = 0, tell = tellNews }: { readonly sinceMs?: number; readonly tell?: Tell } = {},
  ) {
    this.sinceMs = sinceMs;
    this.tell = tell;
  }

  get committedSteps(): number {
    return this.steps;
  }

  /** Of the last event that was shown: what comes after it is wanted. */
  get sequence(): number {
    return this.lastSequence;
  }

  /** Shows all events, which end with the run, and returns how it ended. @throws RunError where they end before it. */
  async follow(events: AsyncIterable<v1.WatchRunResponse>): Promise<v1.Run> {
    await this.show(events);
    return requireEnded(this.last);
  }

  /** Shows all events, whether they end with the run or not. */
  async show(events: AsyncIterable<v1.WatchRunResponse>): Promise<void> {
    try {
      for await (const event of events) {
        this.lastSequence = event.sequence;
        if (event.timeMs >= this.sinceMs) this.showEvent(event);
      }
    } finally {
      this.display.end();
    }
  }

  private showEvent(event: v1.WatchRunResponse): void {
    const { timeMs, run, stageStarted, stepCommitted } = event;
    const line = this.tell(event, this.last);
    if (line !== null) this.display.tell(line, timeMs);
    if (run) this.last = run;
    if (stageStarted) this.update(beginStage(readStage(stageStarted), timeMs), timeMs);
    if (stepCommitted) {
      if (this.progress === null) throw new RunError('the coordinator sent a step before its stage');
      this.steps += 1;
      const metrics = parseStepMetrics(stepCommitted.metricsJson ?? '');
      this.update(commitStep(this.progress, metrics, timeMs), timeMs);
    }
  }

  private update(progress: StageProgress, timeMs: number): void {
    this.progress = progress;
    this.display.update(progress, timeMs);
  }
}

function readStage(stage: v1.StageStarted.$Properties): Parameters<typeof beginStage>[0] {
  return {
    stage: stage.stage ?? 0,
    stageCount: stage.stageCount ?? 0,
    method: stage.method ?? '',
    totalSteps: stage.totalSteps ?? 0,
    committedSteps: stage.committedSteps ?? 0,
  };
}
