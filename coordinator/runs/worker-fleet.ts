import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';
import { restartDelayMs } from '../../lib/process/restart-delay.js';
import { untilAborted } from '../../lib/abort.js';
import { Crew } from '../cluster/crew.js';
import { actionFor, type LossKind } from '../cluster/failure-policy.js';
import type { Loss } from '../cluster/loss.js';
import type { RunSpec, WorkerExit, Workforce } from '../launch/launcher.js';
import { notify, type ActiveRun } from './active-run.js';
import { RunSuspended } from './run-stop.js';

/** One worker id, and what has become of its processes. */
interface Place {
  /** Until the process that was started last must have joined. */
  timer: NodeJS.Timeout | undefined;
  /** Lost, and not started again yet. */
  lost: boolean;
  /** Without a finished step in between. */
  failuresInARow: number;
  /** Set where it is not started again. */
  givenUp: boolean;
}

/**
 * A run's workers: keeps as many as the run should have, through all stages (starting TensorFlow takes seconds), and has
 * those started again that are lost, as the failure policy says.
 */
export class WorkerFleet {
  /** The processes that have joined. */
  readonly crew: Crew;
  /** Resolves once the first worker was started, which may take long where a cluster is full. */
  readonly begun: Promise<void>;
  readonly #run: ActiveRun;
  readonly #config: RunConfig;
  readonly #workforce: Workforce;
  readonly #places = new Map<string, Place>();
  #begin!: () => void;
  #target: number;
  #lastLoss: Loss | null = null;
  #closed = false;
  #dismissed = false;

  /**
   * @param onExit called when a worker is gone
   * @throws ConfigError where the launcher has no workers for such a run
   */
  constructor(run: ActiveRun, config: RunConfig, onExit: () => void) {
    const { id, workers } = run.record;
    this.#run = run;
    this.#config = config;
    this.#target = workers;
    this.begun = new Promise((resolve) => (this.#begin = resolve));
    const first = run.journal.memberships(id)[0]?.members[0];
    this.crew = new Crew(run.cluster, first, {
      expects: (workerId) => this.#isWanted(workerId) && this.#places.get(workerId)?.givenUp === false,
      lost: (loss) => {
        try {
          this.#lost(loss);
        } catch (error) {
          run.fail(error as Error);
        }
      },
      released: (workerId) => this.#released(workerId),
    });
    this.#workforce = run.launcher.openRun(specOf(run, config), {
      started: (workerId) => this.#started(workerId),
      exited: (workerId, exit) => this.#exited(workerId, exit),
      left: onExit,
      gone: (workerId, reason) => this.#lost({ workerId, kind: 'gone', reason }),
      waits: (reason) => notify(run, `waiting for workers: ${reason}`),
      failed: (error) => run.fail(error),
    });
  }

  start(): void {
    const { crews, journal, record } = this.#run;
    // It may have been resized while its data was read.
    this.#target = journal.findRun(record.id)?.workers ?? this.#target;
    crews.set(record.id, this.crew);
    this.#fill();
  }

  /** Workers that have not ended yet: more than there should be, until those that are to go are gone. */
  get size(): number {
    return this.#workforce.size;
  }

  /** Changes how many workers there should be. Of too many, the highest ids leave as if they had asked for it. */
  resize(workers: number): void {
    if (this.#closed) return;
    this.#target = workers;
    for (const [workerId, place] of this.#places) {
      if (this.#isWanted(workerId)) continue;
      if (this.crew.hasJoined(workerId)) this.crew.askToLeave(workerId, `the run was resized to ${workers}`);
      else this.#vacate(workerId, place);
    }
    this.#fill();
    this.crew.expectationsChanged();
  }

  /** Those that are not eligible for the stage's next generation yet, but may become it. */
  get toCome(): readonly string[] {
    const eligible = new Set(this.crew.eligible.map(({ workerId }) => workerId));
    return [...this.#places].flatMap(([workerId, { givenUp }]) =>
      this.#isWanted(workerId) && !givenUp && !eligible.has(workerId) ? [workerId] : [],
    );
  }

  /** These workers have finished a step: what failed before is forgiven. */
  stepFinished(workerIds: readonly string[]): void {
    for (const workerId of workerIds) {
      const place = this.#places.get(workerId);
      if (place !== undefined) place.failuresInARow = 0;
    }
  }

  /** The error of a run that has too few workers left, and none to come: what became of the last one. */
  tooFew(left: number): RunError {
    const { minWorkers, maxRestarts } = this.#config;
    const cause = this.#lastLoss === null ? 'no worker has joined' : this.#describe(this.#lastLoss);
    return new RunError(
      `${cause} (workers left: ${left}, min_workers: ${minWorkers}, max_restarts: ${maxRestarts})`,
    );
  }

  /** Lets the workers end by themselves, for a while. How they end no longer matters. */
  async dismiss(reason: string): Promise<void> {
    this.#dismissed = true;
    this.#close();
    this.crew.close(reason);
    const patience = AbortSignal.timeout(this.#run.cluster.stopGraceMs);
    await untilAborted(this.#workforce.dismiss(), patience).catch(() => undefined);
  }

  /** Ends whatever still runs. Of a run that the next coordinator goes on with, workers that can wait for it do. */
  async stop(reason: string): Promise<void> {
    this.#close();
    const { abandon } = this.#workforce;
    if (abandon !== null && !this.#dismissed && this.#run.signal.reason instanceof RunSuspended) {
      this.crew.hangUp();
      await abandon();
      return;
    }
    this.crew.close(reason);
    await this.#workforce.close({ graceMs: this.#run.cluster.stopGraceMs });
  }

  #close(): void {
    this.#closed = true;
    this.#run.crews.delete(this.#run.record.id);
    for (const { timer } of this.#places.values()) clearTimeout(timer);
  }

  #isWanted(workerId: string): boolean {
    return Number(workerId.replace('worker-', '')) < this.#target;
  }

  #fill(): void {
    for (let index = 0; index < this.#target; index++) {
      const workerId = `worker-${index}`;
      if (this.#places.has(workerId)) continue;
      this.#places.set(workerId, { timer: undefined, lost: false, failuresInARow: 0, givenUp: false });
    }
    this.#workforce.setWorkers(this.#target);
  }

  #started(workerId: string): void {
    const place = this.#places.get(workerId);
    if (place === undefined || place.givenUp || this.#closed) return;
    this.#begin();
    if (place.lost) this.#run.telemetry.workerRestarted();
    place.lost = false;
    clearTimeout(place.timer);
    place.timer = setTimeout(() => this.crew.neverJoined(workerId), this.#run.cluster.joinTimeoutMs);
  }

  #exited(workerId: string, exit: WorkerExit): void {
    const place = this.#places.get(workerId);
    // The end of what is lost already is no news.
    if (place === undefined || place.lost) return;
    this.crew.exited(workerId, exit);
  }

  #lost(loss: Loss): void {
    const place = this.#places.get(loss.workerId);
    if (place === undefined || place.givenUp || this.#closed) return;
    const { kind } = loss;
    const { maxRestarts } = this.#config;
    if (kind !== 'worker-left') {
      this.#lastLoss = loss;
      place.failuresInARow += 1;
      this.#run.telemetry.workerLost();
    }
    const action = actionFor({ kind, failuresInARow: place.failuresInARow, maxRestarts });
    this.#run.log.warn({ action, ...loss }, 'worker lost');
    if (action === 'fail-run') this.#run.fail(this.#configError(loss));
    else if (action === 'give-worker-up') this.#giveUp(place, loss);
    else if (this.#isWanted(loss.workerId)) this.#restart(place, loss);
    else this.#vacate(loss.workerId, place);
  }

  #restart(place: Place, { workerId, kind }: Loss): void {
    clearTimeout(place.timer);
    place.lost = true;
    const delayMs = restartDelayMs(place.failuresInARow, this.#run.cluster);
    this.#workforce.restart(workerId, { delayMs, hangs: mayBeThere.has(kind) });
  }

  #giveUp(place: Place, loss: Loss): void {
    place.givenUp = true;
    clearTimeout(place.timer);
    this.#workforce.end(loss.workerId);
    const why = forGood.has(loss.kind)
      ? ''
      : `, for the ${ordinal(place.failuresInARow)} time without a step in between`;
    notify(this.#run, `${this.#describe(loss)}${why}: it is not started again`, { warning: true });
  }

  /** Nobody wants this worker any more. */
  #vacate(workerId: string, place: Place): void {
    this.#places.delete(workerId);
    clearTimeout(place.timer);
    this.#workforce.end(workerId);
  }

  /** It was told to end and does so by itself, or is killed. */
  #released(workerId: string): void {
    clearTimeout(this.#places.get(workerId)?.timer);
    this.#workforce.letGo(workerId, this.#run.cluster.stopGraceMs);
  }

  #describe({ workerId, reason }: Loss): string {
    const logFile = this.#workforce.logOf(workerId);
    return `${workerId} ${reason}${logFile === null ? '' : `; see ${logFile}`}`;
  }

  /** In the worker's own words, where it could say what is wrong. */
  #configError(loss: Loss): ConfigError {
    return new ConfigError(loss.kind === 'config-error' ? loss.reason : this.#describe(loss));
  }
}

/** Losses after which a process may still be there that does not end by itself. */
const mayBeThere: ReadonlySet<LossKind> = new Set(['worker-silent', 'never-joined', 'evicted'] as const);

/** Losses that need not happen again and again. */
const forGood: ReadonlySet<LossKind> = new Set(['unlike', 'gone'] as const);

function specOf({ record }: ActiveRun, config: RunConfig): RunSpec {
  return {
    runId: record.id,
    outputDir: record.outputDir,
    threads: config.threadsPerWorker,
    minWorkers: config.minWorkers,
    maxRestarts: config.maxRestarts,
    needsReference: config.stages.some(({ objective }) => needsOf(objective).reference),
  };
}

function ordinal(count: number): string {
  const ending = ['th', 'st', 'nd', 'rd'][count % 100 > 10 && count % 100 < 20 ? 0 : count % 10] ?? 'th';
  return `${count}${ending}`;
}
