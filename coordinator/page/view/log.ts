import { afterStep, evaluationText } from './evaluation-text.js';
import type { RunEvent } from './events.js';
import type { RunView } from './run-view.js';

/** A line of what happened to a run. */
export interface LogLine {
  readonly sequence: number;
  readonly timeMs: number;
  readonly kind:
    'state' | 'failed' | 'stage' | 'joined' | 'lost' | 'notice' | 'warning' | (typeof routineKinds)[number];
  readonly text: string;
}

/** What comes again and again while all is well. */
const routineKinds = ['checkpoint', 'evaluation', 'samples'] as const;

const MAX_LOG_LINES = 200;

/** Of the lines that are kept when there are too many: the rest is for what happens seldom. */
const ROUTINE_LINES = 50;

/** Adds a line; where there are too many, old ones go. */
export function addLine(log: LogLine[], line: LogLine): void {
  log.push(line);
  if (log.length <= MAX_LOG_LINES) return;
  const isRoutine = ({ kind }: LogLine) => routineKinds.some((routine) => routine === kind);
  const routine = log.filter(isRoutine);
  log.splice(routine.length > ROUTINE_LINES ? log.indexOf(routine[0]!) : 0, 1);
}

/** What an event is called in words; null for steps, which are curves. `view` is what was before it. */
export function describe(event: RunEvent, view: RunView): LogLine | null {
  const line = (kind: LogLine['kind'], text: string): LogLine => {
    return { sequence: event.sequence, timeMs: event.timeMs, kind, text };
  };
  switch (event.kind) {
    case 'run': {
      const { state, reason } = event.run;
      // Two events may say the same: the run's, and the first one that the view began with.
      if (state === view.run.state && view.log.some(({ kind }) => kind === 'state')) return null;
      return line(
        state === 'failed' ? 'failed' : 'state',
        reason === '' ? `Run ${state}` : `Run ${state}: ${reason}`,
      );
    }
    case 'stage': {
      const again = view.stages.some(({ number }) => number === event.stage);
      const name = `stage ${event.stage} of ${event.stageCount}, ${event.method}`;
      return line('stage', again ? `Goes on with ${name}` : `Began ${name}: ${event.totalSteps} steps`);
    }
    case 'notice':
      return line(event.warning ? 'warning' : 'notice', event.text);
    case 'membership':
      return line(event.lost.length > 0 ? 'lost' : 'joined', membershipText(event));
    case 'checkpoint': {
      const { bytes, durationMs } = event;
      const size = bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
      return line(
        'checkpoint',
        `Checkpoint of stage ${event.stage}, step ${event.step}: ${size} in ${(durationMs / 1000).toFixed(1)} s`,
      );
    }
    case 'evaluation':
      return line('evaluation', `Held-out rows ${afterStep(event.step)}: ${evaluationText(event.row)}`);
    case 'samples': {
      const count = event.completions.length + event.omitted;
      const what = count === 1 ? 'a completion' : `${count} completions`;
      return line('samples', `Sampled ${what} ${afterStep(event.step)}`);
    }
    case 'step':
      return null;
  }
}

function membershipText(event: Extract<RunEvent, { kind: 'membership' }>): string {
  const { lost, joined, workers, generation, stage, step } = event;
  const named = ({ id, reason }: { readonly id: string; readonly reason: string }) =>
    reason === '' ? id : `${id} (${reason})`;
  const changes = [
    ...(lost.length > 0 ? [`Lost ${lost.map(named).join(', ')}`] : []),
    ...(joined.length > 0 ? [`${lost.length > 0 ? 'j' : 'J'}oined: ${joined.map(named).join(', ')}`] : []),
  ];
  const goesOn = `generation ${generation} with ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`;
  const place = step > 0 ? ` after step ${step} of stage ${stage}` : '';
  return [...changes, `${goesOn}${place}`].join('; ');
}
