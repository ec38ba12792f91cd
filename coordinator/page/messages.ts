import { v1 } from '../../proto/services.js';
import type { KnownRun } from './run-source.js';
import {
  type ListedRun,
  type RunEvent,
  type RunSummary,
  type SampledCompletion,
  type StepRow,
  type WorkerChange,
  type WorkerStep,
} from './view/events.js';

/** What the page takes of a step's completions: whoever watches gets them all, and a run may sample often. */
const LIMITS = { completions: 16, promptLength: 1_000, completionLength: 2_000 } as const;

export function listedRun(run: KnownRun): ListedRun {
  return { ...summaryOf(run), waitsFor: run.waitsFor ?? '' };
}

export function summaryOf(run: RunSummary): RunSummary {
  const { id, name, state, reason, outputDir, committedSteps, totalSteps, createdAtMs, updatedAtMs } = run;
  return {
    id,
    name,
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
  if (message.evaluated) return { ...at, ...evaluationOf(message.evaluated) };
  if (message.completionsSampled) return { ...at, ...samplesOf(message.completionsSampled) };
  return null;
}

type Untimed<Kind extends RunEvent['kind']> = Omit<Extract<RunEvent, { kind: Kind }>, 'sequence' | 'timeMs'>;

function runOf(run: v1.Run.$Properties): RunSummary {
  const state = (v1.RunState[run.state ?? 0] ?? '')
    .replace('RUN_STATE_', '')
    .toLowerCase() as RunSummary['state'];
  return {
    id: run.id ?? '',
    // Journals have events from before runs had names.
    name: run.name || (run.id ?? ''),
    state,
    reason: run.reason ?? '',
    outputDir: run.outputDir ?? '',
    committedSteps: run.committedSteps ?? 0,
    totalSteps: run.totalSteps ?? 0,
    createdAtMs: run.createdAtMs ?? 0,
    updatedAtMs: run.updatedAtMs ?? 0,
  };
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

function evaluationOf({ stage, step, metricsJson }: v1.Evaluated.$Properties): Untimed<'evaluation'> {
  const row = JSON.parse(metricsJson ?? '{}') as StepRow;
  return { kind: 'evaluation', stage: stage ?? 0, step: step ?? 0, row };
}

function samplesOf({ stage, step, completions }: v1.CompletionsSampled.$Properties): Untimed<'samples'> {
  const all = completions ?? [];
  return {
    kind: 'samples',
    stage: stage ?? 0,
    step: step ?? 0,
    completions: all.slice(0, LIMITS.completions).map(completionOf),
    omitted: Math.max(0, all.length - LIMITS.completions),
  };
}

function completionOf({ prompt, completion, cut }: v1.SampledCompletion.$Properties): SampledCompletion {
  return {
    prompt: endOf(prompt ?? '', LIMITS.promptLength),
    completion: beginningOf(completion ?? '', LIMITS.completionLength),
    cut: cut ?? false,
  };
}

/** Never half of a character that takes two places. */
function endOf(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(-length).replace(/^[\uDC00-\uDFFF]/, '')}`;
}

function beginningOf(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')}…`;
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
