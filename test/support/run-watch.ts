import type { Client } from '@grpc/grpc-js';
import { setTimeout as delay } from 'node:timers/promises';
import { openServerStream } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';

const reconnectMs = 100;

export interface Commit {
  readonly stage: number;
  readonly step: number;
  /** `Date.now()` when it was heard of. */
  readonly atMs: number;
}

/**
 * Follows a run to its end as a patient client does: where the coordinator goes away, it comes again and asks for what
 * it has not seen yet.
 */
export class RunWatch {
  /** Steps in the order in which they were told. */
  readonly commits: Commit[] = [];
  readonly notices: string[] = [];
  readonly memberships: v1.MembershipChanged.$Properties[] = [];
  readonly checkpoints: v1.CheckpointWritten.$Properties[] = [];
  /** The run in its last state. */
  readonly ended: Promise<v1.Run.$Properties>;
  #client: () => Promise<Client>;
  #runId: string;
  #lastSequence = 0;
  #lastNewsMs = Date.now();
  #end: v1.Run.$Properties | undefined;
  #waiting = new Set<() => void>();

  /**
   * @param client a connection to the coordinator as it is now; asked for again after each time that one broke
   * @param patienceMs without any news for this long it gives up
   */
  constructor(client: () => Promise<Client>, runId: string, patienceMs: number) {
    this.#client = client;
    this.#runId = runId;
    this.ended = this.#follow(patienceMs);
    // Whoever needs the end awaits it.
    this.ended.catch(() => undefined);
  }

  /** The run in its last state, once it has ended. */
  get end(): v1.Run.$Properties | undefined {
    return this.#end;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Resolves once so many steps of the run are committed, or it has ended. Rejects where it is given up. */
  async untilCommitted(steps: number): Promise<void> {
    while (this.commits.length < steps && this.#end === undefined) {
      await Promise.race([new Promise<void>((resolve) => this.#waiting.add(resolve)), this.ended]);
    }
  }

  async #follow(patienceMs: number): Promise<v1.Run.$Properties> {
    while (this.#end === undefined) {
      const patience = new AbortController();
      const late = this.#loseHope(patienceMs, patience.signal);
      try {
        await Promise.race([this.#readOn(patience.signal), late]);
      } finally {
        patience.abort();
      }
      if (!this.isOver) await delay(reconnectMs);
    }
    return this.#end;
  }

  /** Rejects after a time without news. */
  async #loseHope(patienceMs: number, over: AbortSignal): Promise<void> {
    for (;;) {
      const silentMs = Date.now() - this.#lastNewsMs;
      if (silentMs >= patienceMs) {
        throw new Error(`no news of the run for ${patienceMs / 1000} s, after ${this.commits.length} steps`);
      }
      await delay(patienceMs - silentMs, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
    }
  }

  /** Reads events until the run ends or the connection breaks, which a coordinator that is killed does at any moment. */
  async #readOn(over: AbortSignal): Promise<void> {
    try {
      const client = await this.#client();
      const request = { runId: this.#runId, afterSequence: this.#lastSequence };
      const stream = openServerStream(client, runService.watchRun, request);
      over.addEventListener('abort', () => stream.cancel(), { once: true });
      for await (const event of stream as AsyncIterable<v1.WatchRunResponse>) this.#take(event);
    } catch (error) {
      if (error instanceof WrongEvent) throw error;
    }
  }

  #take(event: v1.WatchRunResponse): void {
    const { sequence, run, stepCommitted, notice, membershipChanged, checkpointWritten } = event;
    if (sequence <= this.#lastSequence) {
      throw new WrongEvent(`event ${sequence} came after event ${this.#lastSequence}`);
    }
    this.#lastSequence = sequence;
    this.#lastNewsMs = Date.now();
    if (run && hasEnded(run)) this.#end = run;
    if (notice) this.notices.push(`${notice.warning === true ? 'warning: ' : ''}${notice.text ?? ''}`);
    if (membershipChanged) this.memberships.push(membershipChanged);
    if (checkpointWritten) this.checkpoints.push(checkpointWritten);
    if (stepCommitted) {
      const { step } = JSON.parse(stepCommitted.metricsJson ?? '') as { step: number };
      this.commits.push({ stage: stepCommitted.stage ?? 0, step, atMs: Date.now() });
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

function hasEnded({ state }: v1.Run.$Properties): boolean {
  return (
    state === v1.RunState.RUN_STATE_COMPLETED ||
    state === v1.RunState.RUN_STATE_FAILED ||
    state === v1.RunState.RUN_STATE_CANCELLED
  );
}

/** The coordinator is there, and says what it should not. */
class WrongEvent extends Error {}
