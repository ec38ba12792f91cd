import { toRunEvent } from '../../../coordinator/page/messages.js';
import { v1 } from '../../../proto/services.js';
import type { Output, Terminal } from '../output/terminal.js';
import { formatTime } from '../output/times.js';
import { createProgressDisplay, type ProgressDisplay } from '../progress/display.js';
import { RunFollower } from '../runs/follow-run.js';
import { watchRun } from '../runs/run-client.js';
import { tellAll } from '../runs/story.js';
import type { Coordinator } from './coordinator.js';
import { announcerOf } from './patience.js';
import { isoTime, runJson } from './run-json.js';
import { requireCompleted, RunMemory, watching, whileRead, type Events } from './watch.js';

export interface LogsMode {
  /** Go on until the run ends, and end as it does. */
  readonly follow: boolean;
  readonly json: boolean;
}

/** Prints what happened to a run. @throws what the run ends with, where it is followed */
export async function printStory(
  run: v1.Run,
  { follow, json }: LogsMode,
  coordinator: Coordinator,
  { out, err }: Terminal,
): Promise<void> {
  if (!follow) {
    const events = whileRead(watchRun(coordinator.client, run.id, { historyOnly: true }), out);
    // A bar would show the last step alone.
    await (json ? printJson(events, out) : showStory(events, storyDisplay({ ...out, interactive: false })));
    return;
  }
  const memory = new RunMemory(run);
  const display = storyDisplay(out);
  const announcer = !json && out.interactive ? display : announcerOf(err);
  await watching(run, coordinator, announcer, async (watch) => {
    const events = whileRead(memory.watch(watch.events(run.id)), out);
    await (json ? printJson(events, out) : showStory(events, display));
  });
  if (await out.ready()) requireCompleted(memory.run, coordinator);
}

const storyDisplay = (out: Output) =>
  createProgressDisplay(out, (timeMs) => `${out.style.dim(formatTime(timeMs))}  `);

function showStory(events: Events, display: ProgressDisplay): Promise<void> {
  return new RunFollower(display, { tell: tellAll }).show(events);
}

async function printJson(events: Events, out: Output): Promise<void> {
  for await (const message of events) {
    const event = toRunEvent(message);
    if (event === null) continue;
    const { sequence, timeMs, ...rest } = event;
    const run = message.run ? { run: runJson(v1.Run.create(message.run)) } : {};
    out.line(JSON.stringify({ sequence, time: isoTime(timeMs), ...rest, ...run }));
  }
}
