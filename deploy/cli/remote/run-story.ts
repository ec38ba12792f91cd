import { toRunEvent } from '../../../coordinator/page/messages.js';
import { applyEvent, beginView, type RunView } from '../../../coordinator/page/view/run-view.js';
import { RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { parseStepRow, type StepRow } from '../progress/step-metrics.js';
import type { Events } from './watch.js';

/** What the events of a run come to. */
export interface RunStory {
  /** As the live page shows it. */
  readonly view: RunView;
  /** The metrics of its last step; null before the first. */
  readonly lastStep: StepRow | null;
  /** Its newest checkpoint; null for none. */
  readonly checkpoint: Checkpoint | null;
}

export interface Checkpoint {
  readonly stage: number;
  readonly step: number;
  readonly timeMs: number;
  readonly directory: string;
  readonly bytes: number;
}

/** Reads all events, as long as they come. @throws RunError where none of them tells of a run */
export async function readStory(events: Events): Promise<RunStory> {
  let view: RunView | null = null;
  let lastMetrics: string | null = null;
  let checkpoint: Checkpoint | null = null;
  for await (const message of events) {
    const { timeMs, stepCommitted, checkpointWritten } = message;
    const event = toRunEvent(message);
    if (event?.kind === 'run') view ??= beginView(event.run);
    if (view !== null && event !== null) applyEvent(view, event);
    if (stepCommitted) lastMetrics = stepCommitted.metricsJson ?? null;
    if (checkpointWritten) {
      const { stage, step, directory, bytes } = v1.CheckpointWritten.create(checkpointWritten);
      checkpoint = { stage, step, timeMs, directory, bytes };
    }
  }
  const lastStep = lastMetrics === null ? null : parseStepRow(lastMetrics);
  if (view === null) throw new RunError('the coordinator tells nothing of the run');
  return { view, lastStep, checkpoint };
}
