import { join } from 'node:path';
import { RunError } from '../../../lib/errors.js';
import type { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { interruptible } from '../interrupts.js';
import { formatBytes, formatDuration } from '../output/numbers.js';
import type { Output, Terminal } from '../output/terminal.js';
import { createProgressDisplay } from '../progress/display.js';
import { TransferDisplay } from '../progress/transfer.js';
import { RunFollower } from '../runs/follow-run.js';
import { CoordinatorLost, submitRun } from '../runs/run-client.js';
import { pageLink, type Coordinator } from './coordinator.js';
import { dryRunJson, printDryRun } from './dry-run.js';
import { Patience } from './patience.js';
import { runJson } from './run-json.js';
import { prepareSubmission, requestOf, sizesOf, type Submission, type SubmitOptions } from './submission.js';
import { heldBytes, sendUploads } from './upload.js';
import { detachment, requireCompleted, startWatch } from './watch.js';

export interface SubmitMode {
  /** Send nothing, and say what would be sent. */
  readonly dryRun: boolean;
  /** Follow the run until it ends. */
  readonly wait: boolean;
  readonly json: boolean;
}

/**
 * `prospect submit`: checks a run, sends what the coordinator lacks of its files, queues it and follows it.
 * @throws what the run ends with, too
 */
export async function submit(
  options: SubmitOptions,
  { dryRun, wait, json }: SubmitMode,
  coordinator: Coordinator,
  { out, err }: Terminal,
): Promise<void> {
  const submission = await send(options, dryRun, coordinator, err);
  if (dryRun) {
    if (json) out.line(JSON.stringify(dryRunJson(submission)));
    else printDryRun(submission, out);
    err.line('nothing was sent, and nothing queued (--dry-run)');
    return;
  }
  let run: v1.Run | null = null;
  await interruptible(
    () => interruptionOf(run, coordinator),
    async (signal) => {
      run = await queue(submission, coordinator, err);
      if (!wait) {
        out.line(json ? JSON.stringify(runJson(run)) : run.id);
        err.line(`prospect logs ${run.id} -f${coordinator.flag} follows it`);
        return;
      }
      signal.throwIfAborted();
      const ended = await follow(run, coordinator, err, signal);
      if (json) out.line(JSON.stringify(runJson(ended)));
      requireCompleted(ended, coordinator);
      if (!json) out.line(`trained model: ${join(ended.outputDir, 'model')}`);
    },
  );
}

/** Everything up to the queue. */
function send(
  options: SubmitOptions,
  dryRun: boolean,
  coordinator: Coordinator,
  err: Output,
): Promise<Submission> {
  return interruptible(
    () => new Interrupted('interrupted: nothing was queued; what was sent is kept for the next time'),
    async (signal) => {
      const submission = await prepareSubmission(options, coordinator, err, signal);
      if (!dryRun) await upload(submission, coordinator, err, signal);
      return submission;
    },
  );
}

async function upload(
  submission: Submission,
  coordinator: Coordinator,
  err: Output,
  signal: AbortSignal,
): Promise<void> {
  const { uploads } = submission;
  const { totalBytes, sendBytes } = sizesOf(submission);
  if (sendBytes === 0) return;
  const beganAtMs = Date.now();
  const held = heldBytes(uploads);
  if (held > 0) err.line(`${formatBytes(held)} of ${formatBytes(totalBytes)} are there already`);
  const display = new TransferDisplay(err, 'uploading', held, totalBytes);
  const patience = new Patience(coordinator, display, signal);
  try {
    const onHeld = (bytes: number) => display.update(bytes);
    await sendUploads(coordinator.client, uploads, { patience, signal, onHeld });
  } finally {
    display.end();
  }
  err.line(`uploaded ${formatBytes(sendBytes)} in ${formatDuration(Date.now() - beganAtMs)}`);
}

/** The run in the queue. A coordinator that goes away meanwhile may have it or not: that is not asked again. */
async function queue(submission: Submission, coordinator: Coordinator, err: Output): Promise<v1.Run> {
  const { client, flag } = coordinator;
  const run = await submitRun(client, requestOf(submission)).catch((error: unknown) => {
    if (!(error instanceof CoordinatorLost)) throw error;
    throw new RunError(`${error.message}; prospect queue${flag} shows whether it has the run`);
  });
  err.line(`queued ${run.id} (${run.name})${run.waitsFor === '' ? '' : `: waits for ${run.waitsFor}`}`);
  const page = pageLink(coordinator, run.id);
  if (page !== null) err.line(`live page at ${page}`);
  return run;
}

function follow({ id }: v1.Run, coordinator: Coordinator, err: Output, signal: AbortSignal): Promise<v1.Run> {
  const display = createProgressDisplay(err);
  return new RunFollower(display).follow(startWatch(coordinator, display, signal).events(id));
}

function interruptionOf(run: v1.Run | null, coordinator: Coordinator): Interrupted {
  if (run === null) {
    const { flag } = coordinator;
    return new Interrupted(
      `interrupted while the run was queued: prospect queue${flag} shows whether it was`,
    );
  }
  return detachment(run, coordinator);
}
