import type { Client } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import type { ProgressDisplay } from '../progress/display.js';
import { beginStage, commitStep, type StageProgress } from '../progress/state.js';
import { parseStepMetrics } from '../progress/step-metrics.js';
import {
  describeCheckpoint,
  describeEvaluation,
  describeMembership,
  describeSamples,
} from './describe-event.js';
import { watchRun } from './run-client.js';

/** Follows one run, also over several coordinators that come one after the other: each event is shown once. */
export class RunFollower {
  private progress: StageProgress | null = null;
  private sequence = 0;
  /** Steps that were seen committed. */
  private steps = 0;

  /** @param sinceMs events from before are not shown: they are of an earlier attempt. By default all are. */
  constructor(
    private readonly display: ProgressDisplay,
    private readonly sinceMs = 0,
  ) {}

  get committedSteps(): number {
    return this.steps;
  }

  /**
   * Shows the run's progress until it ends.
   * @throws ConfigError or RunError where it failed, Interrupted where it was cancelled.
   */
  async follow(client: Client, runId: string): Promise<void> {
    try {
      for await (const event of watchRun(client, runId, this.sequence)) {
        this.sequence = event.sequence;
        if (event.timeMs < this.sinceMs) continue;
        if (event.run && hasEnded(event.run)) {
          requireSuccess(event.run);
          return;
        }
        this.show(event);
      }
    } finally {
      this.display.end();
    }
    throw new RunError('the coordinator ended the stream of events before the run had ended');
  }

  private show(event: v1.WatchRunResponse): void {
    const { timeMs, run, stageStarted, stepCommitted, notice, membershipChanged, checkpointWritten } = event;
    const { evaluated, completionsSampled } = event;
    const { display } = this;
    if (run?.state === v1.RunState.RUN_STATE_RECOVERING) display.warning('too few workers: waiting for more');
    if (notice?.warning === true) display.warning(notice.text ?? '');
    else if (notice) display.line(notice.text ?? '');
    if (membershipChanged) {
      const { text, warning } = describeMembership(membershipChanged);
      if (warning) display.warning(text);
      else if (text !== '') display.line(text);
    }
    if (checkpointWritten) display.line(describeCheckpoint(checkpointWritten));
    if (evaluated) display.line(describeEvaluation(evaluated));
    if (completionsSampled)
      for (const line of describeSamples(completionsSampled, display.columns())) display.line(line);
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

function hasEnded({ state }: v1.Run.$Properties): boolean {
  return (
    state === v1.RunState.RUN_STATE_COMPLETED ||
    state === v1.RunState.RUN_STATE_FAILED ||
    state === v1.RunState.RUN_STATE_CANCELLED
  );
}

function requireSuccess({ state, reason, failureKind }: v1.Run.$Properties): void {
  if (state === v1.RunState.RUN_STATE_COMPLETED) return;
  if (state === v1.RunState.RUN_STATE_CANCELLED)
    throw new Interrupted(`the run was cancelled: ${reason ?? ''}`);
  const message = reason ?? '';
  throw failureKind === v1.FailureKind.FAILURE_KIND_CONFIG ? new ConfigError(message) : new RunError(message);
}
