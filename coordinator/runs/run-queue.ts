import { ConfigError, messageOf, UserError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Journal } from '../journal/journal.js';
import type { RunRecord } from '../journal/records.js';
import { hasEnded } from './state.js';

/** Executes a run; rejects where it failed, with the signal's reason where it was cancelled. */
export type Execute = (run: RunRecord, cancelled: AbortSignal) => Promise<void>;

/** Executes the journal's queued runs, one at a time, oldest first, and records how each ended. */
export class RunQueue {
  readonly #journal: Journal;
  readonly #execute: Execute;
  readonly #log: Logger;
  readonly #onFatal: (error: unknown) => void;
  #current: { readonly id: string; readonly cancel: AbortController } | undefined;
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

  /** Cancels a run that has not ended: a queued one at once, the current one as soon as its processes are gone. */
  cancel(run: RunRecord, reason: string): void {
    if (this.#current?.id === run.id) this.#current.cancel.abort(new RunCancelled(reason));
    else if (!hasEnded(run.state)) {
      this.#journal.transition(run.id, 'cancelled', { reason, failureKind: null });
    }
  }

  /** Cancels the current run and resolves once it has ended. Queued runs stay queued. */
  async stop(reason: string): Promise<void> {
    this.#stopped = true;
    this.#current?.cancel.abort(new RunCancelled(reason));
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
    const cancel = new AbortController();
    this.#current = { id, cancel };
    const log = this.#log.child({ runId: id });
    try {
      const run = this.#journal.transition(id, 'starting');
      log.info('run started');
      await this.#execute(run, cancel.signal);
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
    if (error instanceof RunCancelled) {
      log.info({ reason }, 'run cancelled');
      this.#journal.transition(id, 'cancelled', { reason, failureKind: null });
      return;
    }
    // What is not a UserError is a defect: its stack belongs into the log.
    log.error(error instanceof UserError ? { reason } : { err: error }, 'run failed');
    const failureKind = error instanceof ConfigError ? 'config' : 'runtime';
    this.#journal.transition(id, 'failed', { reason, failureKind });
  }
}

class RunCancelled extends UserError {
  override readonly name = 'RunCancelled';
}
