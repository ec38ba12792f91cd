import { credentials } from '@grpc/grpc-js';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';
import { describeExit, spawnChild, type Child, type ProcessExit } from '../../../lib/process/child.js';
import { logFileOf } from '../../../coordinator/runs/output-directory.js';
import { connect } from '../../../proto/calls.js';
import { Interrupted } from '../exit.js';
import { withInterrupts } from '../interrupts.js';
import type { Output } from '../output/terminal.js';
import { createProgressDisplay, type ProgressDisplay } from '../progress/display.js';
import { followRun } from './follow-run.js';
import { cancelRun, CoordinatorLost, submitRun } from './run-client.js';

export interface EmbeddedRun {
  /** The resolved run file. */
  readonly runYaml: string;
  /** Absolute. */
  readonly outputDir: string;
  readonly skipBadRows: boolean;
}

/** Longest time that the coordinator has to stop its workers and close its journal before it is killed. */
const stopGraceMs = 30_000;

/** From a connection that broke off until the process at its other end is counted as one that lives. */
const lastWordsMs = 2_000;

/**
 * Trains on this machine: starts a coordinator, which starts the workers, gives it the run and follows it to its end.
 * No process is left behind, however it ends. A first signal cancels the run in order; a second one kills, and so does
 * waiting in vain. Bad input leaves nothing in the output directory, so that it can be used again.
 * @throws ConfigError, RunError; Interrupted where the user stopped it.
 */
export async function runEmbedded(run: EmbeddedRun, output: Output): Promise<void> {
  requireNoRun(run.outputDir);
  const made = await makeDirectory(run.outputDir);
  const display = createProgressDisplay(output);
  const interruption = new AbortController();
  const coordinator = spawnCoordinator(run.outputDir);
  const kill = () => void coordinator.stop({ graceMs: 0 });
  let lastResort: NodeJS.Timeout | undefined;
  try {
    await withInterrupts(
      {
        onFirst: () => {
          display.line('stopping: the run is being cancelled (once more to kill it)');
          interruption.abort(new Interrupted('interrupted: all processes of the run have ended'));
          lastResort = setTimeout(kill, stopGraceMs);
        },
        onSecond: kill,
      },
      () => untilEnded(coordinator, run, display, interruption.signal),
    );
    interruption.signal.throwIfAborted();
  } catch (error) {
    if (error instanceof ConfigError && !hasSteps(run.outputDir)) await made.undo();
    // Whatever failed while everything was being stopped, failed because of that.
    throw interruption.signal.aborted ? interruption.signal.reason : error;
  } finally {
    clearTimeout(lastResort);
  }
}

/** Follows the run to its end, and the coordinator to its own. */
async function untilEnded(
  coordinator: Child,
  run: EmbeddedRun,
  display: ProgressDisplay,
  interrupted: AbortSignal,
): Promise<void> {
  try {
    await submitAndFollow(coordinator, run, display, interrupted);
  } catch (error) {
    // Where it ended by itself, that is the news, and not the call that broke off.
    const exit = error instanceof CoordinatorLost ? await exitWithin(lastWordsMs, coordinator) : null;
    if (exit === null) throw error;
    throw new RunError(`the coordinator ${describeExit(exit)}; see ${coordinatorLog(run.outputDir)}`);
  } finally {
    await coordinator.stop({ graceMs: stopGraceMs });
  }
}

/** How the process ended; null where it goes on for longer than this. */
function exitWithin(timeoutMs: number, { exited }: Child): Promise<ProcessExit | null> {
  return Promise.race([exited, delay(timeoutMs, null, { ref: false })]);
}

function spawnCoordinator(outputDir: string): Child {
  const args = ['--state-dir', join(outputDir, 'state'), '--listen', '127.0.0.1:0'];
  args.push('--metrics-listen', '127.0.0.1:0');
  args.push(
    '--worker-entry',
    entry('worker/main.js'),
    '--reference-entry',
    entry('worker/reference/main.js'),
  );
  return spawnChild({
    name: 'the coordinator',
    entry: entry('coordinator/main.js'),
    args,
    logFile: coordinatorLog(outputDir),
  });
}

function coordinatorLog(outputDir: string): string {
  return logFileOf(outputDir, 'coordinator');
}

/** A program of this package, as compiled. */
function entry(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

async function submitAndFollow(
  coordinator: Child,
  run: EmbeddedRun,
  display: ProgressDisplay,
  interrupted: AbortSignal,
): Promise<void> {
  const { address, metricsAddress } = await coordinator.ready;
  interrupted.throwIfAborted();
  if (address === undefined) throw new Error('the coordinator announced no address');
  if (metricsAddress !== undefined) display.line(`metrics at http://${metricsAddress}/metrics`);
  const client = connect(address, credentials.createInsecure());
  try {
    const runId = await submitRun(client, run);
    const cancel = () => {
      // Where it cannot be cancelled any more, following it tells why.
      cancelRun(client, runId).catch(() => undefined);
    };
    if (interrupted.aborted) cancel();
    else interrupted.addEventListener('abort', cancel, { once: true });
    await followRun(client, runId, display);
  } finally {
    client.close();
  }
}

/**
 * Makes sure that the directory is there; `undo` removes what has come since, and the directory itself where it is new.
 * @throws ConfigError where it cannot be made.
 */
async function makeDirectory(directory: string): Promise<{ undo(): Promise<void> }> {
  try {
    const isNew = (await mkdir(directory, { recursive: true })) !== undefined;
    const before = new Set(await readdir(directory));
    const undo = async () => {
      const came = (await readdir(directory)).filter((name) => !before.has(name));
      const paths = isNew ? [directory] : came.map((name) => join(directory, name));
      for (const path of paths) await rm(path, { recursive: true, force: true });
    };
    return { undo };
  } catch (error) {
    throw new ConfigError(`cannot make the output directory ${directory}: ${messageOf(error)}`);
  }
}

/** The coordinator claims a directory for good; asking first saves starting one in vain. @throws ConfigError */
export function requireNoRun(directory: string): void {
  if (existsSync(join(directory, 'run.yaml'))) {
    throw new ConfigError(`${directory} already holds a run: choose another --out, or remove it`);
  }
}

/** True where training got as far as one step, which nobody wants removed. */
function hasSteps(outputDir: string): boolean {
  const metrics = statSync(join(outputDir, 'metrics.jsonl'), { throwIfNoEntry: false });
  return metrics !== undefined && metrics.size > 0;
}
