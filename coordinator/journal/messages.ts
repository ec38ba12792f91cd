import { v1 } from '../../proto/services.js';
import type { RunState } from '../runs/state.js';
import type { FailureKind, RunRecord } from './records.js';

const wireStates: Record<RunState, v1.RunState> = {
  queued: v1.RunState.RUN_STATE_QUEUED,
  starting: v1.RunState.RUN_STATE_STARTING,
  running: v1.RunState.RUN_STATE_RUNNING,
  recovering: v1.RunState.RUN_STATE_RECOVERING,
  completed: v1.RunState.RUN_STATE_COMPLETED,
  failed: v1.RunState.RUN_STATE_FAILED,
  cancelled: v1.RunState.RUN_STATE_CANCELLED,
};

const wireKinds: Record<FailureKind, v1.FailureKind> = {
  config: v1.FailureKind.FAILURE_KIND_CONFIG,
  runtime: v1.FailureKind.FAILURE_KIND_RUNTIME,
};

/** A run as the contract writes it. */
export function runMessage(run: RunRecord): v1.Run.$Properties {
  return {
    id: run.id,
    name: run.name,
    waitsFor: run.waitsFor,
    state: wireStates[run.state],
    reason: run.reason,
    failureKind:
      run.failureKind === null ? v1.FailureKind.FAILURE_KIND_UNSPECIFIED : wireKinds[run.failureKind],
    outputDir: run.outputDir,
    workers: run.workers,
    committedSteps: run.committedSteps,
    skippedSteps: run.skippedSteps,
    totalSteps: run.totalSteps,
    createdAtMs: run.createdAtMs,
    updatedAtMs: run.updatedAtMs,
  };
}
