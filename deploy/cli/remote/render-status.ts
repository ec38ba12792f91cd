import { join } from 'node:path';
import type { WorkerView } from '../../../coordinator/page/view/run-view.js';
import { hasEnded } from '../../../coordinator/runs/state.js';
import { formatBytes, formatDuration } from '../output/numbers.js';
import { printable } from '../output/printable.js';
import type { Style } from '../output/style.js';
import { formatAge, formatTime } from '../output/times.js';
import { stateOf } from '../runs/run-state.js';
import { formatNumber } from './metrics-table.js';
import type { RunStatus } from './status.js';

export interface StatusContext {
  readonly nowMs: number;
  /** What a command needs to mean the same coordinator, a space before it; empty for nothing. */
  readonly flag: string;
  readonly style: Style;
}

type Line = readonly [label: string, text: string];

/** The status of a run for people: what it is behind a label, in a line each. */
export function renderStatus(status: RunStatus, { nowMs, flag, style }: StatusContext): string[] {
  const lines: Line[] = [
    ...nameLines(status),
    ...stateLines(status, nowMs),
    ...stageLines(status),
    ...crewLines(status),
    ...metricsLines(status),
    ...checkpointLines(status, nowMs),
    ...status.story.view.conditions.map(({ text }): Line => ['diagnosis', text]),
    ['output', status.run.outputDir],
    ...(status.page === null ? [] : [['live page', status.page] as const]),
    nextLine(status, flag),
  ];
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  return lines.map(([label, text]) => {
    const shown = printable(text);
    return style.dim(label.padEnd(width)) + (label === 'diagnosis' ? style.yellow(shown) : shown);
  });
}

function nameLines({ run }: RunStatus): Line[] {
  return [['run', run.id], ...(run.name === run.id ? [] : [['name', run.name] as const])];
}

function stateLines({ run, story }: RunStatus, nowMs: number): Line[] {
  const { startedAtMs } = story.view;
  const state = stateOf(run);
  if (hasEnded(state)) {
    const reason = run.reason === '' ? '' : `: ${run.reason}`;
    return [['state', `${state} at ${formatTime(run.updatedAtMs)}${reason}`]];
  }
  const waits = run.waitsFor === '' ? '' : `: waits for ${run.waitsFor}`;
  if (state === 'queued') return [['state', `queued${waits}`]];
  const why = state === 'recovering' ? ': too few workers are left, it waits for more' : '';
  const since =
    startedAtMs === null ? '' : `, since ${formatTime(startedAtMs)} (${formatDuration(nowMs - startedAtMs)})`;
  return [['state', `${state}${since}${why}${waits}`]];
}

function stageLines({ run, story }: RunStatus): Line[] {
  const stage = story.view.stages.at(-1);
  if (stage === undefined) return [];
  const { method, number, count, step, totalSteps, meanStepTimeMs } = stage;
  const name = count === 1 ? method : `${method}, ${number} of ${count}`;
  const hasMore = stateOf(run) === 'running' && meanStepTimeMs !== null;
  const remaining = hasMore ? `, ETA ${formatDuration((totalSteps - step) * meanStepTimeMs)}` : '';
  const skipped: Line[] =
    run.skippedSteps === 0
      ? []
      : [['skipped', `${run.skippedSteps} steps changed nothing: their numbers were not finite`]];
  return [['stage', `${name}: step ${step} of ${totalSteps}${remaining}`], ...skipped];
}

/** Those that train, each since when, and those that were lost and why. */
function crewLines({ run, story }: RunStatus): Line[] {
  if (hasEnded(stateOf(run))) return [];
  const { workers } = story.view;
  const named = (state: WorkerView['state'], what: (worker: WorkerView) => string): string =>
    workers
      .filter((worker) => worker.state === state)
      .map((worker) => `${worker.id} (${what(worker)})`)
      .join(', ');
  const training = named('training', ({ sinceMs }) => `since ${formatTime(sinceMs)}`);
  const lost = named('lost', ({ reason, sinceMs }) =>
    [`since ${formatTime(sinceMs)}`, ...(reason === '' ? [] : [reason])].join(', '),
  );
  return [
    ['workers', training === '' ? `${run.workers} wanted` : training],
    ...(lost === '' ? [] : [['lost', lost] as const]),
  ];
}

const shownMetrics = ['loss', 'kl', 'rewards/margins', 'rewards/chosen', 'rewards/rejected', 'grad_norm'];

function metricsLines({ story }: RunStatus): Line[] {
  const shown = shownMetrics.flatMap((name) => {
    const value = story.lastStep?.[name];
    return typeof value === 'number' ? [`${name} ${formatNumber(value)}`] : [];
  });
  return shown.length === 0 ? [] : [['metrics', shown.join(', ')]];
}

function checkpointLines({ story }: RunStatus, nowMs: number): Line[] {
  const { checkpoint, view } = story;
  if (checkpoint === null) return [];
  const { stage, step, bytes, timeMs } = checkpoint;
  const place = (view.stages.at(-1)?.count ?? 1) === 1 ? `step ${step}` : `step ${step} of stage ${stage}`;
  return [['checkpoint', `${place}, ${formatAge(nowMs - timeMs)} ago (${formatBytes(bytes)})`]];
}

/** What the user may want to do with it. */
function nextLine({ run }: RunStatus, flag: string): Line {
  const state = stateOf(run);
  if (state === 'completed') return ['model', join(run.outputDir, 'model')];
  if (hasEnded(state)) return ['go on', `prospect resume ${run.id}${flag}`];
  return ['follow', `prospect logs ${run.id} -f${flag}`];
}
