import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Observation } from '../../coordinator/diagnosis/observation.js';
import type { MetricsRow } from '../../coordinator/runs/metrics-row.js';
import { toRunEvent } from '../../coordinator/page/messages.js';
import { applyEvent, beginView } from '../../coordinator/page/view/run-view.js';
import { v1 } from '../../proto/services.js';
import type { RecordedRuns } from '../support/recorded-runs.js';

/** The events of `prospect demo` on two busy cores, as its journal had them: one JSON message a line. */
const file = join(import.meta.dirname, '../../../test/screenshots/recorded/demo-run.jsonl.gz');

/** Plays the recording, as if it were now, up to a step of its second stage. Returns the run's id. */
export function playDemoRun(runs: RecordedRuns, lastStep: number): string {
  const messages = readRecording(lastStep);
  const laterMs = Date.now() - messages.at(-1)!.timeMs;
  const begin = toRunEvent(messages[0]!)!;
  if (begin.kind !== 'run') throw new Error(`${file} does not begin with the run`);
  const view = beginView(begin.run);
  for (const message of messages) {
    message.timeMs += laterMs;
    runs.add(view.run.id, message, message.timeMs);
    applyEvent(view, toRunEvent(message)!);
  }
  runs.set(view.run);
  return view.run.id;
}

function readMessages(): v1.WatchRunResponse[] {
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  const messages = lines.map((line) => v1.WatchRunResponse.fromObject(JSON.parse(line) as object));
  // It was made before runs had names.
  for (const { run } of messages) if (run && !run.name) run.name = basename(run.outputDir ?? '');
  return messages;
}

function readRecording(lastStep: number): v1.WatchRunResponse[] {
  const messages = readMessages();
  const end = messages.findIndex((message) => {
    const event = toRunEvent(message);
    return event?.kind === 'step' && event.stage === 2 && event.row['step'] === lastStep;
  });
  return messages.slice(0, end + 1);
}

/** The steps of a stage, as the diagnosis sees them. */
export function recordedSteps(stage: number): Observation[] {
  return readMessages().flatMap(({ stepCommitted }) => {
    if (stepCommitted?.stage !== stage) return [];
    const row = JSON.parse(stepCommitted.metricsJson ?? '') as MetricsRow;
    const workers = (stepCommitted.workers ?? []).map(({ workerId, examples, times }) => ({
      id: workerId ?? '',
      examples: examples ?? 0,
      gradientMs: times?.gradientMs ?? 0,
    }));
    return [{ row, workers }];
  });
}
