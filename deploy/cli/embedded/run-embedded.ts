import { credentials, type Client } from '@grpc/grpc-js';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sourcesCache } from '../../../lib/cache-root.js';
import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';
import { describeExit, spawnChild, type Child, type ProcessExit } from '../../../lib/process/child.js';
import { PROFILE_VARIABLE } from '../../../lib/profile/spans.js';
import { logFileOf } from '../../../coordinator/runs/output-directory.js';
import { hasEnded } from '../../../coordinator/runs/state.js';
import { connect } from '../../../proto/calls.js';
import type { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { withInterrupts } from '../interrupts.js';
import type { Output } from '../output/terminal.js';
import { createProgressDisplay, type ProgressDisplay } from '../progress/display.js';
import { RunFollower } from '../runs/follow-run.js';
import { requireSuccess } from '../runs/outcome.js';
import {
  cancelRun,
  CoordinatorLost,
  listRuns,
  resizeRun,
  resumeRun,
  submitRun,
  watchRun,
} from '../runs/run-client.js';
import { stateOf } from '../runs/run-state.js';

export interface EmbeddedRun {
  /** The resolved run file. */
  readonly runYaml: string;
  /** Absolute. */
  readonly outputDir: string;
  readonly skipBadRows: boolean;
  /** Go on with the run that the output directory holds, with this many workers, instead of starting it. */
  readonly resume: { readonly workers: number } | null;
  /** Where the threads of workers record what they do; null for no such record. */
  readonly profileDir: string | null;
}

/** Longest time that the coordinator has to stop its workers and close its journal before it is killed. */
const stopGraceMs = 30_000;

/** From a connection that broke off until the process at its other end is counted as one that lives. */
const lastWordsMs = 2_000;

/** How often in a row the coordinator may die without a step having been committed in between. */
const maxCoordinatorDeaths = 3;

/**
 * Trains on this machine: starts a coordinator, which starts the workers, gives it the run and follows it to its end. A
 * coordinator that dies is started again, and the run goes on from its last committed step. No process is left behind,
 * however it ends. A first signal cancels the run in order, with a checkpoint; a second one kills, and so does waiting in
 * vain. Bad input leaves nothing in the output directory, so that it can be used again.
 * @throws ConfigError, RunError; Interrupted where the user stopped it.
 */
export async function runEmbedded(run: EmbeddedRun, output: Output): Promise<void> {
  if (run.resume === null) requireNoRun(run.outputDir);
  const made = await makeDirectory(run.outputDir);
  const display = createProgressDisplay(output);
  const attempt = new Attempt(run, display);
  try {
    await withInterrupts(
      {
        onFirst: () => {
          display.line('stopping: the run is being cancelled, and saved (once more to kill it)');
          attempt.interrupt();
        },
        onSecond: () => attempt.kill(),
      },
      () => attempt.toItsEnd(),
    );
  } catch (error) {
    if (error instanceof ConfigError && run.resume === null && !hasSteps(run.outputDir)) await made.undo();
    throw error;
  }
}

/** One run followed to its end, over as many coordinators as it takes. */
class Attempt {
  private readonly interruption = new AbortController();
  private readonly follower: RunFollower;
  private coordinator: Child | null = null;
  private lastResort: NodeJS.Timeout | undefined;

  constructor(
    private readonly run: EmbeddedRun,
    private readonly display: ProgressDisplay,
  ) {
    this.follower = new RunFollower(display, { sinceMs: run.resume === null ? 0 : Date.now() });
  }

  /** Cancels the run in order; kills where that takes too long. */
  interrupt(): void {
    const { outputDir } = this.run;
    const steps = hasSteps(outputDir) ? '; go on with the same command and --resume' : '';
    this.interruption.abort(new Interrupted(`interrupted: all processes of the run have ended${steps}`));
    this.lastResort = setTimeout(() => this.kill(), stopGraceMs);
  }

  kill(): void {
    void this.coordinator?.stop({ graceMs: 0 });
  }

  async toItsEnd(): Promise<void> {
    const { signal } = this.interruption;
    try {
      let deaths = 0;
      for (;;) {
        const stepsBefore = this.follower.committedSteps;
        const death = await this.withCoordinator();
        if (death === null) break;
        deaths = this.follower.committedSteps > stepsBefore ? 1 : deaths + 1;
        if (signal.aborted || deaths > maxCoordinatorDeaths || !holdsRun(this.run.outputDir)) throw death;
        this.display.warning(
          `${death.message}; starting it again, the run goes on after its last committed step`,
        );
      }
      signal.throwIfAborted();
    } catch (error) {
      // Whatever failed while everything was being stopped, failed because of that.
      throw signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(this.lastResort);
    }
  }

  /** Follows the run to its end, and the coordinator to its own. Returns how the coordinator died, if it did. */
  private async withCoordinator(): Promise<RunError | null> {
    const coordinator = spawnCoordinator(this.run);
    this.coordinator = coordinator;
    try {
      await this.follow(coordinator);
      return null;
    } catch (error) {
      // Where it ended by itself, that is the news, and not the call that broke off.
      const exit = error instanceof CoordinatorLost ? await exitWithin(lastWordsMs, coordinator) : null;
      if (exit === null) throw error;
      const where = coordinatorLog(this.run.outputDir);
      return new RunError(`the coordinator ${describeExit(exit)}; see ${where}`);
    } finally {
      await coordinator.stop({ graceMs: stopGraceMs });
    }
  }

  private async follow(coordinator: Child): Promise<void> {
    const { signal } = this.interruption;
    const { address, metricsAddress } = await coordinator.ready;
    signal.throwIfAborted();
    if (address === undefined) throw new Error('the coordinator announced no address');
    const client = connect(address, credentials.createInsecure());
    try {
      const runId = await enterRun(client, this.run);
      const cancel = () => {
        // Where it cannot be cancelled any more, following it tells why.
        cancelRun(client, runId, { save: true }).catch(() => undefined);
      };
      if (signal.aborted) cancel();
      else signal.addEventListener('abort', cancel, { once: true });
      const { sequence } = this.follower;
      const events = withStart(watchRun(client, runId, { afterSequence: sequence }), () => {
        if (metricsAddress !== undefined) this.display.line(`live page at http://${metricsAddress}/`);
      });
      requireSuccess(await this.follower.follow(events));
    } finally {
      client.close();
    }
  }
}

/** The same events; `onStart` is called at the first stage's start, before which a run may be found to be of bad input. */
async function* withStart(
  events: AsyncIterable<v1.WatchRunResponse>,
  onStart: () => void,
): AsyncGenerator<v1.WatchRunResponse> {
  let started = false;
  for await (const event of events) {
    if (!started && event.stageStarted) {
      started = true;
      onStart();
    }
    yield event;
  }
}

/** The run's id with this coordinator: of the one that it has already, from before, or else of a new one. */
async function enterRun(client: Client, run: EmbeddedRun): Promise<string> {
  const known = (await listRuns(client)).find(({ outputDir }) => outputDir === run.outputDir);
  if (known === undefined) {
    if (run.resume !== null) throw new ConfigError(`${run.outputDir} holds no run to go on with`);
    const { runYaml, outputDir, skipBadRows } = run;
    const { id } = await submitRun(client, { runYaml, outputDir, skipBadRows, name: basename(outputDir) });
    return id;
  }
  if (run.resume === null) return known.id;
  const { id, workers } = known;
  const state = stateOf(known);
  if (state === 'completed')
    throw new ConfigError(`${run.outputDir} holds a run that is complete: there is nothing to go on with`);
  if (hasEnded(state)) await resumeRun(client, id);
  if (workers !== run.resume.workers) await resizeRun(client, id, run.resume.workers);
  return id;
}

/** How the process ended; null where it goes on for longer than this. */
function exitWithin(timeoutMs: number, { exited }: Child): Promise<ProcessExit | null> {
  return Promise.race([exited, delay(timeoutMs, null, { ref: false })]);
}

function spawnCoordinator({ outputDir, profileDir }: EmbeddedRun): Child {
  const args = ['--state-dir', join(outputDir, 'state'), '--listen', '127.0.0.1:0'];
  args.push('--sources-dir', sourcesCache(process.env));
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
    // Its page is for this machine: a token that is meant for a service does not close it.
    env: { PROSPECT_PAGE_TOKEN: '', [PROFILE_VARIABLE]: profileDir ?? '' },
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
  if (holdsRun(directory)) {
    throw new ConfigError(
      `${directory} already holds a run: choose another --out, remove it, or go on with it by --resume`,
    );
  }
}

function holdsRun(directory: string): boolean {
  return existsSync(join(directory, 'run.yaml'));
}

/** True where training got as far as one step, which nobody wants removed. */
function hasSteps(outputDir: string): boolean {
  const metrics = statSync(join(outputDir, 'metrics.jsonl'), { throwIfNoEntry: false });
  return metrics !== undefined && metrics.size > 0;
}
