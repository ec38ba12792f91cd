import { ConfigError, messageOf, UserError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Journal } from '../journal/journal.js';
import type { NewRun, RunRecord } from '../journal/records.js';
import { RunCancelled, RunStop, RunSuspended } from './run-stop.js';
import { hasEnded } from './state.js';
import { WorkerQuota } from './worker-quota.js';

/** What passes between the queue and a run that it has executed. */
export interface RunControl {
  /** Aborted with a RunStop. */
  readonly stopped: AbortSignal;
  /** Called when the run should have another number of workers. */
  onResize: (workers: number) => void;
  /** Says how many worker processes there are of it, those too that it should not have any more. */
  countWorkers: () => number;
  /** To be called when one of them is gone. */
  readonly workerGone: () => void;
}

/** Executes a run; rejects where it failed or was stopped. */
export type Execute = (run: RunRecord, control: RunControl) => Promise<void>;

export interface QueueOptions {
  /** Of all runs together; Infinity for all runs side by side; null for one run at a time, with as many as it wants. */
  readonly maxWorkers: number | null;
  readonly log: Logger;
  /** Called where the outcome of a run cannot be recorded: nothing can be promised after that. */
  readonly onFatal: (error: unknown) => void;
}

interface CurrentRun {
  readonly control: RunControl;
  readonly stop: (reason: RunStop) => void;
  /** How many it should have. */
  workers: number;
  /** Resolves once its processes are gone and how it ended is recorded. */
  readonly ended: Promise<void>;
}

/**
 * Executes the journal's queued runs, first come, first served, side by side as far as the quota of workers goes, and
 * records how each ended. No run overtakes another: one that wants many workers would never have its turn.
 */
export class RunQueue {
  readonly #journal: Journal;
  readonly #execute: Execute;
  readonly #quota: WorkerQuota;
  readonly #log: Logger;
  readonly #onFatal: (error: unknown) => void;
  /** Those that are executed, in the order in which they were started. */
  readonly #current = new Map<string, CurrentRun>();
  #stopped = false;

  constructor(journal: Journal, execute: Execute, { maxWorkers, log, onFatal }: QueueOptions) {
    this.#journal = journal;
    this.#execute = execute;
    this.#quota = new WorkerQuota(maxWorkers);
    this.#log = log;
    this.#onFatal = onFatal;
  }

  get maxWorkers(): number | null {
    return this.#quota.max;
  }

  /** Of all current runs together. */
  get workersInUse(): number {
    return sumOf([...this.#current.values()].map(workersOf));
  }

  /** Throws a ConfigError where a run asks for more workers than it can ever have. */
  requirePossible(workers: number): void {
    this.#quota.requirePossible(workers);
  }

  /** Queues a new run behind all others. */
  add(run: NewRun): void {
    this.#journal.addRun(run, this.#whatNewcomerLacks(run));
    this.wake();
  }

  /** Starts whatever may start. Call it once the queue may begin; it does so itself at each change. */
  wake(): void {
    if (this.#stopped) return;
    try {
      this.#startQueued();
    } catch (error) {
      this.#onFatal(error);
    }
  }

  /**
   * Cancels a run that has not ended: a queued one at once, a current one as soon as its processes are gone, after a
   * checkpoint of its last committed step where one is wanted.
   */
  cancel(run: RunRecord, reason: string, { save }: { readonly save: boolean }): void {
    const current = this.#current.get(run.id);
    if (current !== undefined) current.stop(new RunCancelled(reason, save));
    else if (!hasEnded(run.state)) {
      this.#journal.transition(run.id, 'cancelled', { reason, failureKind: null });
      this.wake();
    }
  }

  /**
   * Queues a cancelled or failed run again, behind all others; it goes on from its last committed step. Throws a
   * UserError for others.
   */
  resume(run: RunRecord): void {
    if (run.state !== 'cancelled' && run.state !== 'failed') {
      throw new UserError(`run ${run.id} is ${run.state}: only a cancelled or failed run can be resumed`);
    }
    this.#journal.requeue(run.id, this.#whatNewcomerLacks(run));
    this.wake();
  }

  /** Changes how many workers a run should have. Throws a UserError where it has ended, or cannot have so many now. */
  resize(run: RunRecord, workers: number): void {
    if (hasEnded(run.state))
      throw new UserError(`run ${run.id} is ${run.state}: it has no workers to resize`);
    const current = this.#current.get(run.id);
    if (current === undefined) this.#quota.requirePossible(workers);
    else if (workers > current.workers) {
      this.#quota.requireFree(workers, this.workersInUse - workersOf(current));
    }
    this.#journal.setWorkers(run.id, workers);
    if (current !== undefined) {
      current.workers = workers;
      current.control.onResize(workers);
    }
    this.wake();
  }

  /** Suspends the current runs and resolves once their processes are gone. They and queued runs stay in the journal. */
  async stop(reason: string): Promise<void> {
    this.#stopped = true;
    const current = [...this.#current.values()];
    for (const { stop } of current) stop(new RunSuspended(reason));
    await Promise.all(current.map(({ ended }) => ended));
  }

  #startQueued(): void {
    let ahead: RunRecord | undefined;
    for (const run of this.#journal.queuedRuns()) {
      const waitsFor = this.#whatLacks(run, ahead);
      if (waitsFor === '') this.#start(run.id);
      else {
        if (waitsFor !== run.waitsFor) this.#journal.setWaitsFor(run.id, waitsFor);
        if (this.#quota.isPossible(run.workers)) ahead = run;
      }
    }
  }

  #whatNewcomerLacks(run: Pick<RunRecord, 'workers'>): string {
    const ahead = this.#journal.queuedRuns().findLast(({ workers }) => this.#quota.isPossible(workers));
    return this.#whatLacks(run, ahead);
  }

  /**
   * What a run waits for; empty where it may start. One that can never have its workers stands in nobody's way: the
   * coordinator was started with fewer than it was submitted with.
   *
   * @param ahead the last queued run before it that waits too
   */
  #whatLacks({ workers }: Pick<RunRecord, 'workers'>, ahead: RunRecord | undefined): string {
    if (!this.#quota.isPossible(workers)) return this.#quota.lack(workers, 0);
    const oneAtATime = this.#quota.max === null;
    if (ahead !== undefined) return `${ahead.id} to ${oneAtATime ? 'end' : 'start'}`;
    const [current] = this.#current.keys();
    if (oneAtATime) return current === undefined ? '' : `${current} to end`;
    return this.#quota.lack(workers, this.workersInUse);
  }

  #start(id: string): void {
    const run = this.#journal.transition(id, 'starting');
    const stopping = new AbortController();
    const control: RunControl = {
      stopped: stopping.signal,
      onResize: () => undefined,
      countWorkers: () => 0,
      workerGone: () => this.wake(),
    };
    // Not at once: whoever has made room, or has submitted the run, need not wait until its tokenizer is read.
    const ended = Promise.resolve()
      .then(() => this.#run(run, control))
      .then(() => this.wake(), this.#onFatal);
    const stop = (reason: RunStop) => stopping.abort(reason);
    this.#current.set(id, { control, stop, workers: run.workers, ended });
  }

  async #run(run: RunRecord, control: RunControl): Promise<void> {
    const { id } = run;
    const log = this.#log.child({ runId: id });
    log.info('run started');
    try {
      await this.#execute(run, control);
    } catch (error) {
      this.#current.delete(id);
      this.#recordStop(id, error, log);
      return;
    }
    this.#current.delete(id);
    this.#journal.transition(id, 'completed');
    log.info('run completed');
  }

  #recordStop(id: string, error: unknown, log: Logger): void {
    const reason = messageOf(error);
    if (error instanceof RunStop) {
      log.info({ reason }, error.name);
      if (error instanceof RunCancelled) {
        this.#journal.transition(id, 'cancelled', { reason, failureKind: null });
      }
      return;
    }
    // What is not a UserError is a defect: its stack belongs into the log.
    log.error(error instanceof UserError ? { reason } : { err: error }, 'run failed');
    const failureKind = error instanceof ConfigError ? 'config' : 'runtime';
    this.#journal.transition(id, 'failed', { reason, failureKind });
  }
}

/** Those count that are about to leave it, and those that it has not started yet. */
function workersOf({ workers, control }: CurrentRun): number {
  return Math.max(workers, control.countWorkers());
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
