import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { toRunEvent } from '../../coordinator/page/messages.js';
import { applyEvent, beginView } from '../../coordinator/page/view/run-view.js';
import { v1 } from '../../proto/services.js';
import type { RecordedRuns } from '../support/recorded-runs.js';

/** The events of `prospect demo` on two busy cores, as its journal had them: one JSON message a line. */
const file = join(import.meta.dirname, '../../../test/screenshots/recorded/demo-run.jsonl.gz');

/** Plays the recording up to a step of its last stage; to its end where that is null. Returns the run's id. */
export function playDemoRun(runs: RecordedRuns, throughStep: number | null): string {
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  const events = lines.map((line) => v1.WatchRunResponse.fromObject(JSON.parse(line) as object));
  const first = toRunEvent(events[0]!);
  if (first?.kind !== 'run') throw new Error(`${file} does not begin with the run`);
  const { id } = first.run;
  const view = beginView(first.run);
  runs.set(first.run);
  for (const message of events) {
    const event = toRunEvent(message)!;
    runs.add(id, message, message.timeMs);
    applyEvent(view, event);
    const { committedSteps, totalSteps, state } = view.run;
    runs.set({ ...first.run, committedSteps, totalSteps, state, updatedAtMs: message.timeMs });
    if (event.kind === 'step' && event.stage === 2 && event.row['step'] === throughStep) break;
  }
  return id;
}
