import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunError } from '../../../lib/errors.js';
import {
  profiledThreadSchema,
  spanSchema,
  type ProfiledThread,
  type Span,
} from '../../../lib/profile/spans.js';

/** What one thread of a process has recorded. */
export interface RecordedThread extends ProfiledThread {
  readonly spans: readonly Span[];
}

/** All threads of a directory, for the steps that were recorded; none where there is no directory. @throws RunError for a file of something else */
export async function readThreads(directory: string): Promise<RecordedThread[]> {
  const names = existsSync(directory) ? await readdir(directory) : [];
  const read = await Promise.all(names.sort().map((name) => readThread(join(directory, name))));
  const threads = read.filter((thread) => thread !== null);
  // Only the main thread of a process knows its name.
  const nameOf = new Map(
    threads.filter(({ thread }) => thread === 'main').map(({ pid, process }) => [pid, process]),
  );
  return untilLastStep(threads).map((thread) => ({
    ...thread,
    process: nameOf.get(thread.pid) ?? thread.process,
  }));
}

export const knowsSteps = ({ spans }: RecordedThread) => spans.some(({ step }) => step !== null);

/** Without what a thread that knows no steps began after the last step of the others. */
function untilLastStep(threads: readonly RecordedThread[]): RecordedThread[] {
  let endUs = -Infinity;
  for (const { spans } of threads.filter(knowsSteps))
    for (const { startUs, durationUs } of spans) endUs = Math.max(endUs, startUs + durationUs);
  return threads.map((thread) =>
    knowsSteps(thread) ? thread : { ...thread, spans: thread.spans.filter(({ startUs }) => startUs < endUs) },
  );
}

/** Floating-point operations in a second that the best of them reaches; 0 where none has measured it. */
export function peakOf(threads: readonly RecordedThread[]): number {
  return Math.max(0, ...threads.map(({ peakFlops }) => peakFlops ?? 0));
}

/** Null where the process was killed before it had written a line. */
async function readThread(file: string): Promise<RecordedThread | null> {
  // A process that was killed has left its last line unfinished.
  const [first, ...rest] = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  if (first === undefined) return null;
  try {
    const spans = rest.map((line) => spanSchema.parse(JSON.parse(line)));
    return { ...profiledThreadSchema.parse(JSON.parse(first)), spans };
  } catch {
    throw new RunError(`${file} is not what a thread records`);
  }
}
