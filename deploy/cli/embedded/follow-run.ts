import type { Client } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import type { ProgressDisplay } from '../progress/display.js';
import { beginStage, commitStep, type StageProgress } from '../progress/state.js';
import { parseStepMetrics } from '../progress/step-metrics.js';
import { watchRun } from './run-client.js';

/**
 * Shows a run's progress until it ends.
 * @throws ConfigError or RunError where it failed, Interrupted where it was cancelled.
 */
export async function followRun(client: Client, runId: string, display: ProgressDisplay): Promise<void> {
  let progress: StageProgress | null = null;
  try {
    for await (const event of watchRun(client, runId)) {
      if (event.run && hasEnded(event.run)) {
        requireSuccess(event.run);
        return;
      }
      progress = showEvent(event, progress, display);
    }
  } finally {
    display.end();
  }
  throw new RunError('the coordinator ended the stream of events before the run had ended');
}

/** Returns the progress after the event. */
function showEvent(
  { timeMs, stageStarted, stepCommitted, notice }: v1.WatchRunResponse,
  progress: StageProgress | null,
  display: ProgressDisplay,
): StageProgress | null {
  if (notice?.warning === true) display.warning(notice.text ?? '');
  else if (notice) display.line(notice.text ?? '');
  if (stageStarted) {
    const begun = beginStage(readStage(stageStarted), timeMs);
    display.update(begun, timeMs);
    return begun;
  }
  if (!stepCommitted) return progress;
  if (progress === null) throw new RunError('the coordinator sent a step before its stage');
  const committed = commitStep(progress, parseStepMetrics(stepCommitted.metricsJson ?? ''), timeMs);
  display.update(committed, timeMs);
  return committed;
}

function readStage(stage: v1.StageStarted.$Properties): Parameters<typeof beginStage>[0] {
  return {
    stage: stage.stage ?? 0,
    stageCount: stage.stageCount ?? 0,
    method: stage.method ?? '',
    totalSteps: stage.totalSteps ?? 0,
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
