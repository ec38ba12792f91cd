import { basename } from 'node:path';
import { v1 } from '../../proto/services.js';
import type { ListedRun } from './run-source.js';
import {
  type RunEvent,
  type RunSummary,
  type StepRow,
  type WorkerChange,
  type WorkerStep,
} from './view/events.js';

export function summaryOf(run: ListedRun): RunSummary {
  const { id, state, reason, outputDir, committedSteps, totalSteps, createdAtMs, updatedAtMs } = run;
  return {
    id,
    name: basename(outputDir),
    state,
    reason,
    outputDir,
    committedSteps,
    totalSteps,
    createdAtMs,
    updatedAtMs,
  };
}

/** A journal's event as the page reads it; null for one that it does not know. */
export function toRunEvent(message: v1.WatchRunResponse): RunEvent | null {
  const at = { sequence: message.sequence, timeMs: message.timeMs };
  if (message.run) return { ...at, kind: 'run', run: runOf(message.run) };
  if (message.stageStarted) return { ...at, ...stageOf(message.stageStarted) };
  if (message.stepCommitted) return { ...at, ...stepOf(message.stepCommitted) };
  if (message.notice) {
    const { text, warning, condition } = message.notice;
    return { ...at, kind: 'notice', text: text ?? '', warning: warning ?? false, condition: condition ?? '' };
  }
  if (message.membershipChanged) return { ...at, ...membershipOf(message.membershipChanged) };
  if (message.checkpointWritten) return { ...at, ...checkpointOf(message.checkpointWritten) };
  return null;
}

type Untimed<Kind extends RunEvent['kind']> = Omit<Extract<RunEvent, { kind: Kind }>, 'sequence' | 'timeMs'>;

function runOf(run: v1.Run.$Properties): RunSummary {
  const state = (v1.RunState[run.state ?? 0] ?? '')
    .replace('RUN_STATE_', '')
    .toLowerCase() as RunSummary['state'];
  return summaryOf({
    id: run.id ?? '',
    state,
    reason: run.reason ?? '',
    outputDir: run.outputDir ?? '',
    committedSteps: run.committedSteps ?? 0,
    totalSteps: run.totalSteps ?? 0,
    createdAtMs: run.createdAtMs ?? 0,
    updatedAtMs: run.updatedAtMs ?? 0,
  });
}

function stageOf(started: v1.StageStarted.$Properties): Untimed<'stage'> {
  return {
    kind: 'stage',
    stage: started.stage ?? 0,
    stageCount: started.stageCount ?? 0,
    method: started.method ?? '',
    totalSteps: started.totalSteps ?? 0,
  };
}

function stepOf({ stage, metricsJson, workers }: v1.StepCommitted.$Properties): Untimed<'step'> {
  const row = JSON.parse(metricsJson ?? '{}') as StepRow;
  const steps = (workers ?? []).map((worker) => workerStep(worker, row));
  return { kind: 'step', stage: stage ?? 0, row, workers: steps };
}

function membershipOf(changed: v1.MembershipChanged.$Properties): Untimed<'membership'> {
  return {
    kind: 'membership',
    generation: changed.generation ?? 0,
    workers: changed.workers ?? [],
    joined: (changed.joined ?? []).map(changeOf),
    lost: (changed.lost ?? []).map(changeOf),
    stage: changed.stage ?? 0,
    step: changed.step ?? 0,
  };
}

function changeOf({ workerId, reason }: v1.WorkerChange.$Properties): WorkerChange {
  return { id: workerId ?? '', reason: reason ?? '' };
}

function checkpointOf(written: v1.CheckpointWritten.$Properties): Untimed<'checkpoint'> {
  return {
    kind: 'checkpoint',
    stage: written.stage ?? 0,
    step: written.step ?? 0,
    directory: written.directory ?? '',
    bytes: written.bytes ?? 0,
    durationMs: written.durationMs ?? 0,
  };
}

/** What of the step's time no phase took, the worker has waited. */
function workerStep({ workerId, examples, times }: v1.WorkerStep.$Properties, row: StepRow): WorkerStep {
  const spent = {
    reference: times?.referenceMs ?? 0,
    statistics: times?.statisticsMs ?? 0,
    gradient: times?.gradientMs ?? 0,
    allReduce: times?.allReduceMs ?? 0,
    update: times?.updateMs ?? 0,
  };
  const stepMs = typeof row['step_time_s'] === 'number' ? row['step_time_s'] * 1000 : 0;
  const wait = Math.max(0, stepMs - Object.values(spent).reduce((sum, ms) => sum + ms, 0));
  return { id: workerId ?? '', examples: examples ?? 0, times: { ...spent, wait } };
}
