import { v1 } from '../../../proto/services.js';
import { stateOf } from '../runs/run-state.js';
import type { RunStory } from './run-story.js';

/** A run as `--json` prints it. */
export function runJson(run: v1.Run) {
  return {
    id: run.id,
    name: run.name,
    state: stateOf(run),
    /** Why it failed or was cancelled; empty otherwise. */
    reason: run.reason,
    failureKind: failureKindOf(run),
    /** What a queued run waits for; empty otherwise. */
    waitsFor: run.waitsFor,
    committedSteps: run.committedSteps,
    skippedSteps: run.skippedSteps,
    totalSteps: run.totalSteps,
    workers: run.workers,
    outputDir: run.outputDir,
    createdAt: isoTime(run.createdAtMs),
    updatedAt: isoTime(run.updatedAtMs),
  };
}

export const isoTime = (timeMs: number) => new Date(timeMs).toISOString();

function failureKindOf({ failureKind }: v1.Run): 'config' | 'runtime' | null {
  if (failureKind === v1.FailureKind.FAILURE_KIND_CONFIG) return 'config';
  return failureKind === v1.FailureKind.FAILURE_KIND_RUNTIME ? 'runtime' : null;
}

/** Its newest checkpoint as `--json` prints it. */
export function checkpointJson({ checkpoint }: RunStory) {
  if (checkpoint === null) return null;
  const { timeMs, ...rest } = checkpoint;
  return { ...rest, time: isoTime(timeMs) };
}
