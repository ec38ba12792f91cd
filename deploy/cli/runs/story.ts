import { hasEnded } from '../../../coordinator/runs/state.js';
import { v1 } from '../../../proto/services.js';
import { printable } from '../output/printable.js';
import type { StoryLine } from '../progress/display.js';
import {
  describeCheckpoint,
  describeEvaluation,
  describeMembership,
  describeSamples,
} from './describe-event.js';
import { stateOf } from './run-state.js';

/** Tells an event in a line, or leaves it out. `before` is the run as the last event before told of it; null for none. */
export type Tell = (event: v1.WatchRunResponse, before: v1.Run.$Properties | null) => StoryLine | null;

/** What someone should know who watches the progress of a run. */
export const tellNews: Tell = (event) => {
  const { run, notice, membershipChanged, checkpointWritten, evaluated, completionsSampled } = event;
  if (run && stateOf(run) === 'recovering') return { text: waiting, tone: 'warning' };
  if (run && stateOf(run) === 'starting' && run.waitsFor) return tellWait(run.waitsFor);
  if (notice) return { text: notice.text ?? '', tone: notice.warning === true ? 'warning' : 'plain' };
  if (membershipChanged) {
    const { text, warning } = describeMembership(membershipChanged);
    return text === '' ? null : { text, tone: warning ? 'warning' : 'plain' };
  }
  if (evaluated) return { text: describeEvaluation(evaluated), tone: 'plain' };
  if (completionsSampled) return { text: describeSamples(completionsSampled), tone: 'plain' };
  return checkpointWritten ? { text: describeCheckpoint(checkpointWritten), tone: 'plain' } : null;
};

/** Everything that happened to a run but its steps, each in a single line. */
export const tellAll: Tell = (event, before) => {
  const line = event.run
    ? tellRun(v1.Run.create(event.run), before)
    : event.stageStarted
      ? tellStage(v1.StageStarted.create(event.stageStarted))
      : tellNews(event, before);
  return line === null ? null : { ...line, text: printable(inOneLine(line.text)) };
};

/** Of several lines: what stands below a heading, and what belongs together, stays together. */
function inOneLine(text: string): string {
  return text
    .replaceAll(/:\r?\n\s*/g, ': ')
    .replaceAll(/\r?\n\s*> /g, ' > ')
    .replaceAll(/\r?\n\s*/g, '; ');
}

const waiting = 'too few workers: waiting for more';

const tellWait = (waitsFor: string): StoryLine => ({ text: `waiting for ${waitsFor}`, tone: 'plain' });

function tellRun(run: v1.Run, before: v1.Run.$Properties | null): StoryLine | null {
  const state = stateOf(run);
  if (before !== null && stateOf(before) === state) {
    const wanted = before.workers ?? 0;
    if (run.workers === wanted) {
      const isNews = state === 'starting' && run.waitsFor !== '' && run.waitsFor !== before.waitsFor;
      return isNews ? tellWait(run.waitsFor) : null;
    }
    return { text: `workers that it should have: ${run.workers} instead of ${wanted}`, tone: 'plain' };
  }
  switch (state) {
    case 'queued':
      if (before !== null && hasEnded(stateOf(before))) return { text: 'queued again', tone: 'plain' };
      return { text: run.waitsFor === '' ? 'queued' : `queued: waits for ${run.waitsFor}`, tone: 'plain' };
    case 'recovering':
      return { text: waiting, tone: 'warning' };
    case 'failed':
      return { text: `failed: ${run.reason}`, tone: 'failure' };
    case 'cancelled':
      return {
        text: run.reason.startsWith('cancelled') ? run.reason : `cancelled: ${run.reason}`,
        tone: 'plain',
      };
    case 'completed':
      return { text: `completed: ${run.committedSteps} steps`, tone: 'plain' };
    case 'starting':
    case 'running':
      return { text: state, tone: 'plain' };
  }
}

function tellStage({ stage, stageCount, method, totalSteps, committedSteps }: v1.StageStarted): StoryLine {
  const title = stageCount === 1 ? method : `${method}, stage ${stage} of ${stageCount}`;
  const place =
    committedSteps === 0 ? `${totalSteps} steps` : `goes on after step ${committedSteps} of ${totalSteps}`;
  return { text: `${title}: ${place}`, tone: 'plain' };
}
