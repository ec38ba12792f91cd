import { hasEnded } from '../../../coordinator/runs/state.js';
import { RunError } from '../../../lib/errors.js';
import type { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { interruptible } from '../interrupts.js';
import type { Output, Terminal } from '../output/terminal.js';
import { requireEnded } from '../runs/outcome.js';
import { cancelRun } from '../runs/run-client.js';
import { stateOf } from '../runs/run-state.js';
import type { Coordinator } from './coordinator.js';
import { announcerOf } from './patience.js';
import { checkpointJson, runJson } from './run-json.js';
import { readStory, type RunStory } from './run-story.js';
import { RunMemory, startWatch } from './watch.js';

export interface CancelMode {
  /** Have a checkpoint written first. */
  readonly save: boolean;
  /** Wait until the run has ended. */
  readonly wait: boolean;
  readonly json: boolean;
}

/** Cancels a run, waits for its end and says what is kept. @throws RunError where there is nothing to cancel any more */
export async function cancel(
  run: v1.Run,
  { save, wait, json }: CancelMode,
  coordinator: Coordinator,
  { out, err }: Terminal,
): Promise<void> {
  const { client, flag } = coordinator;
  requireCancellable(run, flag);
  const now = await cancelRun(client, run.id, { save });
  if (!wait) {
    out.line(json ? JSON.stringify(runJson(now)) : `${run.id} is being cancelled`);
    return;
  }
  if (!hasEnded(stateOf(now)))
    err.line(save ? 'waiting for its checkpoint and its end' : 'waiting for its end');
  const { ended, story } = await untilEnded(run, coordinator, err);
  if (json) out.line(JSON.stringify({ ...runJson(ended), checkpoint: checkpointJson(story) }));
  requireCancelled(ended, flag);
  if (json) return;
  out.line(`${run.id} is cancelled${keptOf(ended, story)}`);
  out.line(`go on with it: prospect resume ${run.id}${flag}`);
}

/** One that is cancelled already is told of once more. */
function requireCancellable(run: v1.Run, flag: string): void {
  const state = stateOf(run);
  if (!hasEnded(state) || state === 'cancelled') return;
  throw new RunError(
    `${run.id} (${run.name}) has ${state} already: there is nothing to cancel; prospect queue${flag} lists the runs`,
  );
}

/** It may have come to its own end meanwhile. */
function requireCancelled(run: v1.Run, flag: string): void {
  const state = stateOf(run);
  if (state !== 'cancelled')
    throw new RunError(
      `${run.id} has ${state} before it could be cancelled: see prospect status ${run.id}${flag}`,
    );
}

function untilEnded(
  run: v1.Run,
  coordinator: Coordinator,
  err: Output,
): Promise<{ readonly ended: v1.Run; readonly story: RunStory }> {
  const memory = new RunMemory(run);
  return interruptible(
    () =>
      new Interrupted(
        `left: ${run.id} is still being cancelled; see prospect status ${run.id}${coordinator.flag}`,
      ),
    async (signal) => {
      const watch = startWatch(coordinator, announcerOf(err), signal);
      const story = await readStory(memory.watch(watch.events(run.id)));
      return { ended: requireEnded(memory.run), story };
    },
  );
}

/** What of a cancelled run is there when it goes on. */
function keptOf({ committedSteps, totalSteps }: v1.Run, { checkpoint, view }: RunStory): string {
  if (committedSteps === 0) return ' before its first step';
  const place = ` after step ${committedSteps} of ${totalSteps}`;
  if (checkpoint === null)
    return `${place}, without a checkpoint: its steps are computed again when it goes on, with the same result`;
  const stage = view.stages.length > 1 ? ` of stage ${checkpoint.stage}` : '';
  return `${place}; the checkpoint of step ${checkpoint.step}${stage} is kept`;
}
