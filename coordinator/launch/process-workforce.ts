import { UserError } from '../../lib/errors.js';
import { logFileOf } from '../runs/output-directory.js';
import type {
  LaunchedProcess,
  Restart,
  RunSpec,
  WorkerSpec,
  Workforce,
  WorkforceEvents,
} from './launcher.js';

/** One worker id, and the process that it has now. */
interface Seat {
  readonly spec: WorkerSpec;
  process: LaunchedProcess | null;
  /** Until the next process is started, or until one that was let go is killed. */
  timer: NodeJS.Timeout | undefined;
}

/** Workers as processes that the coordinator starts itself. They end with it. */
export class ProcessWorkforce implements Workforce {
  readonly abandon = null;
  readonly #run: RunSpec;
  readonly #events: WorkforceEvents;
  readonly #start: (spec: WorkerSpec) => LaunchedProcess;
  readonly #seats = new Map<string, Seat>();
  /** Every process that has not ended yet. */
  readonly #living = new Set<LaunchedProcess>();
  #dismissed = false;

  constructor(run: RunSpec, events: WorkforceEvents, start: (spec: WorkerSpec) => LaunchedProcess) {
    this.#run = run;
    this.#events = events;
    this.#start = start;
  }

  get size(): number {
    return this.#living.size;
  }

  setWorkers(count: number): void {
    const { runId, threads } = this.#run;
    for (let index = 0; index < count; index++) {
      const workerId = `worker-${index}`;
      if (this.#seats.has(workerId)) continue;
      const spec = { runId, workerId, threads, logFile: this.logOf(workerId) };
      const seat = { spec, process: null, timer: undefined };
      this.#seats.set(workerId, seat);
      this.#launch(seat);
    }
  }

  restart(workerId: string, { delayMs }: Restart): void {
    const seat = this.#seats.get(workerId);
    if (seat === undefined) return;
    void this.#kill(seat).then(() => {
      if (this.#dismissed || seat.process !== null || this.#seats.get(workerId) !== seat) return;
      seat.timer = setTimeout(() => this.#launch(seat), delayMs);
    });
  }

  end(workerId: string): void {
    const seat = this.#seats.get(workerId);
    this.#seats.delete(workerId);
    if (seat !== undefined) void this.#kill(seat);
  }

  letGo(workerId: string, graceMs: number): void {
    const seat = this.#seats.get(workerId);
    const process_ = seat?.process;
    if (seat === undefined || !process_) return;
    clearTimeout(seat.timer);
    seat.timer = setTimeout(() => void process_.stop({ graceMs: 0 }), graceMs);
  }

  logOf(workerId: string): string {
    return logFileOf(this.#run.outputDir, workerId);
  }

  dismiss(): Promise<unknown> {
    this.#dismissed = true;
    for (const { timer } of this.#seats.values()) clearTimeout(timer);
    return Promise.all([...this.#living].map(({ exited }) => exited));
  }

  async close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    void this.dismiss();
    await Promise.all([...this.#living].map((process_) => process_.stop({ graceMs })));
  }

  #launch(seat: Seat): void {
    let process_: LaunchedProcess;
    try {
      process_ = this.#start(seat.spec);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#events.failed(error);
      return;
    }
    seat.process = process_;
    this.#living.add(process_);
    this.#events.started(seat.spec.workerId);
    void process_.exited.then((exit) => {
      this.#living.delete(process_);
      // The end of a process that is lost already is no news.
      if (seat.process === process_ && !this.#dismissed) this.#events.exited(seat.spec.workerId, exit);
      this.#events.left();
    });
  }

  #kill(seat: Seat): Promise<unknown> {
    const { process: process_ } = seat;
    seat.process = null;
    clearTimeout(seat.timer);
    return process_ === null ? Promise.resolve() : process_.stop({ graceMs: 0 });
  }
}
