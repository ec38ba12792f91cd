import { ConfigError, messageOf, UserError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Journal } from '../journal/journal.js';
import type { RunRecord } from '../journal/records.js';
import { RunCancelled, RunStop, RunSuspended } from './run-stop.js';
import { hasEnded } from './state.js';

/** What may be asked of the run that is executed. */
export interface RunControl {
  /** Aborted with a RunStop. */
  readonly stopped: AbortSignal;
  /** Called when the run should have another number of workers. */
  onResize: (workers: number) => void;
}

/** Executes a run; rejects where it failed or was stopped. */
export type Execute = (run: RunRecord, control: RunControl) => Promise<void>;

interface CurrentRun {
  readonly id: string;
  readonly control: RunControl;
  readonly stop: (reason: RunStop) => void;
}

/** Executes the journal's queued runs, one at a time, oldest first, and records how each ended. */
export class RunQueue {
  readonly #journal: Journal;
  readonly #execute: Execute;
  readonly #log: Logger;
  readonly #onFatal: (error: unknown) => void;
  #current: CurrentRun | undefined;
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  /** `onFatal` is called where the outcome of a run cannot be recorded: nothing can be promised after that. */
  constructor(journal: Journal, execute: Execute, log: Logger, onFatal: (error: unknown) => void) {
    this.#journal = journal;
    this.#execute = execute;
    this.#log = log;
    this.#onFatal = onFatal;
  }

  /** Starts the next queued run, unless one is under way. Call it when a run was queued. */
  wake(): void {
    this.#working = this.#working.then(() => this.#work()).catch(this.#onFatal);
  }

  /**
   * Cancels a run that has not ended: a queued one at once, the current one as soon as its processes are gone, after a
   * checkpoint of its last committed step where one is wanted.
   */
  cancel(run: RunRecord, reason: string, { save }: { readonly save: boolean }): void {
    if (this.#current?.id === run.id) this.#current.stop(new RunCancelled(reason, save));
    else if (!hasEnded(run.state)) {
      this.#journal.transition(run.id, 'cancelled', { reason, failureKind: null });
    }
  }

  /** Queues a cancelled or failed run again; it goes on from its last committed step. Throws a UserError for others. */
  resume(run: RunRecord): void {
    if (run.state !== 'cancelled' && run.state !== 'failed') {
      throw new UserError(`run ${run.id} is ${run.state}: only a cancelled or failed run can be resumed`);
    }
    this.#journal.transition(run.id, 'queued');
    this.wake();
  }

  /** Changes how many workers a run should have. Throws a UserError where it has ended. */
  resize(run: RunRecord, workers: number): void {
    if (hasEnded(run.state))
      throw new UserError(`run ${run.id} is ${run.state}: it has no workers to resize`);
    this.#journal.setWorkers(run.id, workers);
    if (this.#current?.id === run.id) this.#current.control.onResize(workers);
  }

  /** Suspends the current run and resolves once its processes are gone. It and queued runs stay in the journal. */
  async stop(reason: string): Promise<void> {
    this.#stopped = true;
    this.#current?.stop(new RunSuspended(reason));
    await this.#working;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const next = this.#journal.runs().find(({ state }) => state === 'queued');
      if (next === undefined) return;
      await this.#run(next);
    }
  }

  async #run({ id }: RunRecord): Promise<void> {
    const stopping = new AbortController();
    const control: RunControl = { stopped: stopping.signal, onResize: () => undefined };
    this.#current = { id, control, stop: (reason) => stopping.abort(reason) };
    const log = this.#log.child({ runId: id });
    try {
      const run = this.#journal.transition(id, 'starting');
      log.info('run started');
      await this.#execute(run, control);
      this.#journal.transition(id, 'completed');
      log.info('run completed');
    } catch (error) {
      this.#recordEnd(id, error, log);
    } finally {
      this.#current = undefined;
    }
  }

  #recordEnd(id: string, error: unknown, log: Logger): void {
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
