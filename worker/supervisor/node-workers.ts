import { ExitCode } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { describeExit, type Child, type ProcessExit } from '../../lib/process/child.js';
import { afterExit } from './after-exit.js';
import type { MetricsSource } from './pod-metrics.js';

/** SIGTERM gives a worker less than this to be let go (main.ts); what still runs then hangs. */
const LEAVE_GRACE_MS = 30_000;

/** One worker id, and its processes one after the other. */
interface Place {
  readonly workerId: string;
  readonly slot: number;
  /** None while it waits to be started again. */
  process: Child | null;
  timer: NodeJS.Timeout | undefined;
  /** Of the process, once it has joined the run. */
  metricsAddress: string | null;
  /** Without a step in between. */
  failuresInARow: number;
  /** By the coordinator, which does not count on this worker until it joins again. */
  letGo: boolean;
}

export interface NodeWorkersOptions {
  readonly workerIds: readonly string[];
  /** `slot`: position among the node's workers. */
  readonly start: (workerId: string, slot: number) => Child;
  readonly log: Logger;
}

/** Keeps the worker processes of one node going, until the coordinator lets all of them go, or one cannot go on. */
export class NodeWorkers {
  /** Resolves with the pod's exit code once no process is left. */
  readonly ended: Promise<number>;
  private readonly places: readonly Place[];
  private readonly startProcess: NodeWorkersOptions['start'];
  private readonly log: Logger;
  private tellEnded!: (code: number) => void;
  /** Set once no process is started any more. */
  private exitCode: number | null = null;

  constructor({ workerIds, start, log }: NodeWorkersOptions) {
    this.ended = new Promise((resolve) => (this.tellEnded = resolve));
    this.startProcess = start;
    this.log = log;
    this.places = workerIds.map((workerId, slot) => ({
      workerId,
      slot,
      process: null,
      timer: undefined,
      metricsAddress: null,
      failuresInARow: 0,
      letGo: false,
    }));
  }

  start(): void {
    for (const place of this.places) this.launch(place);
  }

  /** Whether all workers have joined that the coordinator wants. */
  get ready(): boolean {
    return this.places.every(({ metricsAddress, letGo }) => letGo || metricsAddress !== null);
  }

  get metricsSources(): readonly MetricsSource[] {
    return this.places.flatMap(({ workerId, metricsAddress: address }) =>
      address === null ? [] : [{ workerId, address }],
    );
  }

  /** This worker has taken part in a step: what failed before is forgiven. */
  stepDone(slot: number): void {
    this.places[slot]!.failuresInARow = 0;
  }

  /** Has the workers ask for leave; the pod ends with this code, or with that of an earlier call. */
  end(code: number): void {
    if (this.exitCode !== null) return;
    this.exitCode = code;
    this.stop(LEAVE_GRACE_MS);
  }

  /** Ends the workers at once. */
  kill(): void {
    this.exitCode ??= ExitCode.failed;
    this.stop(0);
  }

  private stop(graceMs: number): void {
    for (const { timer, process } of this.places) {
      clearTimeout(timer);
      void process?.stop({ graceMs });
    }
    this.settle();
  }

  private launch(place: Place): void {
    const child = this.startProcess(place.workerId, place.slot);
    place.process = child;
    child.ready.then(
      ({ metricsAddress }) => {
        if (place.process !== child) return;
        place.metricsAddress = metricsAddress ?? null;
        place.letGo = false;
      },
      // It has ended, which is noticed below.
      () => undefined,
    );
    void child.exited.then((exit) => this.exited(place, exit));
  }

  private exited(place: Place, exit: ProcessExit): void {
    place.process = null;
    place.metricsAddress = null;
    if (this.exitCode === null) this.act(place, exit);
    this.settle();
  }

  private act(place: Place, exit: ProcessExit): void {
    const { workerId } = place;
    const failed = exit.code !== ExitCode.done;
    if (failed) place.failuresInARow += 1;
    const action = afterExit(exit, place.failuresInARow);
    this.log[failed ? 'warn' : 'info']({ workerId, ...action }, `${workerId} ${describeExit(exit)}`);
    if (action.kind === 'end-pod') this.end(action.code);
    else if (action.kind === 'let-go') this.letGo(place, action.askAgainMs);
    else place.timer = setTimeout(() => this.launch(place), action.delayMs);
  }

  private letGo(place: Place, askAgainMs: number): void {
    place.letGo = true;
    if (this.places.every(({ letGo }) => letGo)) this.end(ExitCode.done);
    else place.timer = setTimeout(() => this.launch(place), askAgainMs);
  }

  private settle(): void {
    if (this.exitCode === null || this.places.some(({ process }) => process !== null)) return;
    this.tellEnded(this.exitCode);
  }
}
