import { credentials } from '@grpc/grpc-js';
import { existsSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import { spawnChild, type Child } from '../../../lib/process/child.js';
import { connect } from '../../../proto/calls.js';
import { Interrupted } from '../exit.js';
import { withInterrupts } from '../interrupts.js';
import type { Output } from '../output/terminal.js';
import { createProgressDisplay, type ProgressDisplay } from '../progress/display.js';
import { followRun } from './follow-run.js';
import { cancelRun, submitRun } from './run-client.js';

export interface EmbeddedRun {
  /** The resolved run file. */
  readonly runYaml: string;
  /** Absolute. */
  readonly outputDir: string;
  readonly skipBadRows: boolean;
}

/** Longest time that the coordinator has to stop its workers and close its journal before it is killed. */
const stopGraceMs = 30_000;

/**
 * Trains on this machine: starts a coordinator, which starts the workers, gives it the run and follows it to its end.
 * No process is left behind, however it ends. A first signal cancels the run in order, a second one kills.
 * @throws ConfigError, RunError; Interrupted where the user stopped it.
 */
export async function runEmbedded(run: EmbeddedRun, output: Output): Promise<void> {
  requireNoRun(run.outputDir);
  const isNew = await makeDirectory(run.outputDir);
  const display = createProgressDisplay(output);
  const interruption = new AbortController();
  const coordinator = spawnCoordinator(run.outputDir);
  try {
    await withInterrupts(
      {
        onFirst: () => {
          display.line('stopping: the run is being cancelled (once more to kill it)');
          interruption.abort(new Interrupted('interrupted: all processes of the run have ended'));
        },
        onSecond: () => void coordinator.stop({ graceMs: 0 }),
      },
      async () => {
        try {
          await submitAndFollow(coordinator, run, display, interruption.signal);
        } finally {
          await coordinator.stop({ graceMs: stopGraceMs });
        }
      },
    );
    interruption.signal.throwIfAborted();
  } catch (error) {
    if (error instanceof ConfigError && isNew && !hasSteps(run.outputDir)) {
      await rm(run.outputDir, { recursive: true, force: true });
    }
    // Whatever failed while everything was being stopped, failed because of that.
    throw interruption.signal.aborted ? interruption.signal.reason : error;
  }
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
    logFile: join(outputDir, 'logs', 'coordinator.log'),
  });
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
 * Returns whether the directory is new.
 * @throws ConfigError where it cannot be made.
 */
async function makeDirectory(directory: string): Promise<boolean> {
  try {
    return (await mkdir(directory, { recursive: true })) !== undefined;
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
