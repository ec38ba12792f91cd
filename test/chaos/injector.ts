import { setTimeout as delay } from 'node:timers/promises';
import { callUnary } from '../../proto/calls.js';
import { runService } from '../../proto/services.js';
import { messageOf } from '../../lib/errors.js';
import type { RunningProcess } from '../integration/processes.js';
import { workerIdOf, type CoordinatorProcess } from '../support/coordinator-process.js';
import type { RunWatch } from '../support/run-watch.js';
import type { Fault } from './schedule.js';

/** A fault and what became of it. */
export interface Strike {
  readonly fault: Fault;
  /** What was hit, or why nothing was. */
  readonly target: string;
  /** `Date.now()`. */
  readonly atMs: number;
  /** Steps that were committed by then. */
  readonly committed: number;
}

/** There is not always a process to hit: one that was killed is being started again. */
const searchMs = 30_000;
const pollMs = 20;
const coordinatorGraceMs = 60_000;

/** Does to a run what a schedule says. */
export class Injector {
  readonly strikes: Strike[] = [];
  readonly #coordinator: CoordinatorProcess;
  readonly #watch: RunWatch;
  readonly #runId: string;
  /** The most workers that the run is ever given. */
  readonly #mostWorkers: number;
  /** Standing still since they were paused or frozen. */
  readonly #stopped = new Set<number>();
  /** What goes on after its strike: pauses that end, workers asked for. */
  readonly #aftermath: Promise<unknown>[] = [];

  constructor(coordinator: CoordinatorProcess, watch: RunWatch, runId: string, mostWorkers: number) {
    this.#coordinator = coordinator;
    this.#watch = watch;
    this.#runId = runId;
    this.#mostWorkers = mostWorkers;
  }

  /** Carries the schedule out until it is through or the run over, and lets go of whatever it holds. */
  async carryOut(schedule: readonly Fault[]): Promise<void> {
    const started = new Map<string, number>();
    try {
      for (const fault of schedule) {
        await this.#watch.untilCommitted(fault.afterStep);
        const due = (started.get(`${fault.afterStep}`) ?? Date.now()) + fault.delayMs;
        started.set(`${fault.afterStep}`, due - fault.delayMs);
        await delay(Math.max(0, due - Date.now()));
        if (this.#watch.isOver) return;
        const at = { fault, atMs: Date.now(), committed: this.#watch.commits.length };
        this.strikes.push({ ...at, target: await this.#strike(fault) });
      }
      await this.#watch.ended;
    } finally {
      for (const pid of this.#stopped) this.#signal(pid, 'SIGCONT');
      await Promise.all(this.#aftermath);
    }
  }

  #strike(fault: Fault): Promise<string> | string {
    switch (fault.kind) {
      case 'kill-worker':
        return this.#hitWorker(fault, 'SIGKILL');
      case 'terminate-worker':
        return this.#hitWorker(fault, 'SIGTERM');
      case 'pause-worker':
        return this.#hitWorker(fault, 'SIGSTOP', (pid) => this.#resumeAfter(pid, fault.durationMs));
      case 'freeze-worker':
        return this.#hitWorker(fault, 'SIGSTOP', (pid) => this.#resumeWhenGivenUp(pid));
      case 'kill-reference':
        return this.#hit(() => this.#coordinator.references(), fault, 'SIGKILL');
      case 'grow':
        return this.#resize(1);
      case 'shrink':
        return this.#resize(-1);
      case 'kill-coordinator':
        return this.#restart(fault, () => this.#coordinator.kill());
      case 'terminate-coordinator':
        return this.#restart(fault, () => this.#coordinator.terminate({ graceMs: coordinatorGraceMs }));
    }
  }

  #hitWorker(fault: Fault, signal: NodeJS.Signals, then?: (pid: number) => Promise<void>): Promise<string> {
    return this.#hit(() => this.#coordinator.workers(), fault, signal, then);
  }

  async #hit(
    find: () => RunningProcess[],
    { kind, pick }: Fault,
    signal: NodeJS.Signals,
    then?: (pid: number) => Promise<void>,
  ): Promise<string> {
    const target = await this.#choose(find, pick);
    if (target === null) return `there was nothing for ${kind}`;
    if (!this.#signal(target.pid, signal)) return `${target.pid} had ended before ${signal}`;
    if (then !== undefined) {
      this.#stopped.add(target.pid);
      this.#aftermath.push(then(target.pid).then(() => this.#stopped.delete(target.pid)));
    }
    return `${workerIdOf(target) || 'the reference'} (${target.pid})`;
  }

  async #choose(find: () => RunningProcess[], pick: number): Promise<RunningProcess | null> {
    const deadline = Date.now() + searchMs;
    while (Date.now() < deadline && !this.#watch.isOver) {
      const found = find().filter(({ pid }) => !this.#stopped.has(pid));
      if (found.length > 0) return found[pick % found.length]!;
      await delay(pollMs);
    }
    return null;
  }

  async #resumeAfter(pid: number, durationMs: number): Promise<void> {
    await delay(durationMs);
    this.#signal(pid, 'SIGCONT');
  }

  /**
   * A frozen worker is killed by its coordinator once that gives it up. A coordinator that dies before cannot: then it
   * has to notice by itself, for which it must run.
   */
  async #resumeWhenGivenUp(pid: number): Promise<void> {
    const owner = this.#coordinator.pid;
    const isThere = () => this.#coordinator.workers().some((worker) => worker.pid === pid);
    while (isThere() && this.#coordinator.pid === owner && !this.#watch.isOver) await delay(10 * pollMs);
    if (isThere()) this.#signal(pid, 'SIGCONT');
  }

  async #restart({ durationMs }: Fault, end: () => Promise<unknown>): Promise<string> {
    const pid = this.#coordinator.pid;
    await end();
    await delay(durationMs);
    this.#coordinator.start();
    return `the coordinator (${pid ?? 'not running'}), away for ${durationMs} ms`;
  }

  /** One worker more or less, or the other way round at the limits. */
  async #resize(change: 1 | -1): Promise<string> {
    const deadline = Date.now() + searchMs;
    for (;;) {
      try {
        const client = await this.#coordinator.client();
        const { run } = await callUnary(client, runService.getRun, { runId: this.#runId });
        const now = run?.workers ?? 0;
        const wanted = now + change;
        const workers = wanted >= 1 && wanted <= this.#mostWorkers ? wanted : now - change;
        await callUnary(client, runService.resizeRun, { runId: this.#runId, workers });
        return `${now} to ${workers} workers`;
      } catch (error) {
        if (this.#watch.isOver || Date.now() > deadline) return `not resized: ${messageOf(error)}`;
        await delay(10 * pollMs);
      }
    }
  }

  /** False where the process has ended. */
  #signal(pid: number, signal: NodeJS.Signals): boolean {
    if (!this.#coordinator.processes().some((process_) => process_.pid === pid)) return false;
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  }
}
