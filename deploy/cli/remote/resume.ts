import type { v1 } from '../../../proto/services.js';
import type { Terminal } from '../output/terminal.js';
import { resizeRun, resumeRun } from '../runs/run-client.js';
import { stateOf } from '../runs/run-state.js';
import type { Coordinator } from './coordinator.js';
import { runJson } from './run-json.js';

/** Queues a cancelled or failed run again, and says what happens next. */
export async function resume(
  { id }: v1.Run,
  { json }: { readonly json: boolean },
  { client, flag }: Coordinator,
  { out }: Terminal,
): Promise<void> {
  const run = await resumeRun(client, id);
  if (json) {
    out.line(JSON.stringify(runJson(run)));
    return;
  }
  const { committedSteps, totalSteps, waitsFor } = run;
  const place =
    committedSteps === 0 ? 'begins from the start' : `goes on after step ${committedSteps} of ${totalSteps}`;
  out.line(`${id} is queued again, and ${place}${waitsFor === '' ? '' : `; it waits for ${waitsFor}`}`);
  out.line(`follow it: prospect logs ${id} -f${flag}`);
}

/** Changes how many workers a run should have, and says what happens next. */
export async function resize(
  before: v1.Run,
  { workers, json }: { readonly workers: number; readonly json: boolean },
  { client }: Coordinator,
  { out }: Terminal,
): Promise<void> {
  const run = await resizeRun(client, before.id, workers);
  if (json) out.line(JSON.stringify(runJson(run)));
  else out.line(`${run.id}${resizeText(before, run)}`);
}

function resizeText(before: v1.Run, { state, workers, waitsFor }: v1.Run): string {
  const count = workers === 1 ? '1 worker' : `${workers} workers`;
  if (stateOf({ state }) === 'queued')
    return ` begins with ${count}${waitsFor === '' ? '' : `; it waits for ${waitsFor}`}`;
  if (workers === before.workers) return ` has ${count} already`;
  const change = workers > before.workers ? 'new ones join' : 'the others leave';
  return ` is to have ${count} instead of ${before.workers}: ${change} between two steps, and the result stays the same`;
}
