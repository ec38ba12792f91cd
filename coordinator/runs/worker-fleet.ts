import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import type { ProcessExit } from '../../lib/process/child.js';
import { restartDelayMs } from '../../lib/process/restart-delay.js';
import { untilAborted } from '../../lib/abort.js';
import { Crew } from '../cluster/crew.js';
import { actionFor } from '../cluster/failure-policy.js';
import type { Loss } from '../cluster/loss.js';
import type { LaunchedProcess, WorkerSpec } from '../launch/launcher.js';
import { notify, type ActiveRun } from './active-run.js';
import { logFileOf } from './output-directory.js';

/** One worker id, and what becomes of its processes. */
interface Place {
  readonly spec: WorkerSpec;
  /** The one that is, or is to become, a member of the crew. */
  process: LaunchedProcess | null;
  /** Until the process must have joined, or until the next one is started. */
  timer: NodeJS.Timeout | undefined;
  /** Without a finished step in between. */
  failuresInARow: number;
  /** Set where it is not started again. */
  givenUp: boolean;
}

/**
 * A run's worker processes: keeps as many as the run should have, through all stages (starting TensorFlow takes
 * seconds), and starts those again that are lost, as the failure policy says.
 */
export class WorkerFleet {
  /** The processes that have joined. */
  readonly crew: Crew;
  readonly #run: ActiveRun;
  readonly #config: RunConfig;
  readonly #places = new Map<string, Place>();
  /** Every process that has not ended yet. */
  readonly #living = new Set<LaunchedProcess>();
  #target: number;
  #lastLoss: Loss | null = null;
  #closed = false;

  constructor(run: ActiveRun, config: RunConfig) {
    const { id, workers } = run.record;
    this.#run = run;
    this.#config = config;
    this.#target = workers;
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
  }

  start(): void {
    this.#run.crews.set(this.#run.record.id, this.crew);
    this.#fill();
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
    this.#close(reason);
    const allExited = Promise.all([...this.#living].map(({ exited }) => exited));
    const patience = AbortSignal.timeout(this.#run.cluster.stopGraceMs);
    await untilAborted(allExited, patience).catch(() => undefined);
  }

  /** Ends whatever still runs. */
  async stop(reason: string): Promise<void> {
    this.#close(reason);
    const { stopGraceMs: graceMs } = this.#run.cluster;
    await Promise.all([...this.#living].map((process_) => process_.stop({ graceMs })));
  }

  #close(reason: string): void {
    this.#closed = true;
    this.crew.close(reason);
    this.#run.crews.delete(this.#run.record.id);
    for (const { timer } of this.#places.values()) clearTimeout(timer);
  }

  #isWanted(workerId: string): boolean {
    return Number(workerId.replace('worker-', '')) < this.#target;
  }

  #fill(): void {
    const { id, outputDir } = this.#run.record;
    for (let index = 0; index < this.#target; index++) {
      const workerId = `worker-${index}`;
      if (this.#places.has(workerId)) continue;
      const { threadsPerWorker: threads } = this.#config;
      const spec = { runId: id, workerId, threads, logFile: logFileOf(outputDir, workerId) };
      const place = { spec, process: null, timer: undefined, failuresInARow: 0, givenUp: false };
      this.#places.set(workerId, place);
      this.#launch(place);
    }
  }

  #launch(place: Place): void {
    const { workerId } = place.spec;
    const { launcher, cluster } = this.#run;
    let process_: LaunchedProcess;
    try {
      process_ = launcher.launchWorker(place.spec);
    } catch (error) {
      this.#run.fail(error as Error);
      return;
    }
    place.process = process_;
    this.#living.add(process_);
    place.timer = setTimeout(() => this.crew.neverJoined(workerId), cluster.joinTimeoutMs);
    void process_.exited.then((exit) => this.#exited(place, process_, exit));
  }

  #exited(place: Place, process_: LaunchedProcess, exit: ProcessExit): void {
    this.#living.delete(process_);
    // The end of a process that is lost already is no news.
    if (place.process === process_) this.crew.exited(place.spec.workerId, exit);
  }

  #lost(loss: Loss): void {
    const place = this.#places.get(loss.workerId);
    if (place === undefined || place.givenUp || this.#closed) return;
    const { kind } = loss;
    const { maxRestarts } = this.#config;
    if (kind !== 'worker-left') {
      this.#lastLoss = loss;
      place.failuresInARow += 1;
      this.#run.telemetry.membership.lost();
    }
    const action = actionFor({ kind, failuresInARow: place.failuresInARow, maxRestarts });
    this.#run.log.warn({ runId: place.spec.runId, action, ...loss }, 'worker lost');
    if (action === 'fail-run') this.#run.fail(this.#configError(loss));
    else if (action === 'give-worker-up') this.#giveUp(place, loss);
    else if (this.#isWanted(loss.workerId)) this.#restart(place);
    else this.#vacate(loss.workerId, place);
  }

  #restart(place: Place): void {
    const ended = this.#kill(place);
    const delayMs = restartDelayMs(place.failuresInARow, this.#run.cluster);
    void ended.then(() => {
      if (this.#closed || place.process !== null || !this.#isWanted(place.spec.workerId)) return;
      place.timer = setTimeout(() => {
        this.#run.telemetry.membership.restarted();
        this.#launch(place);
      }, delayMs);
    });
  }

  #giveUp(place: Place, loss: Loss): void {
    place.givenUp = true;
    void this.#kill(place);
    const why =
      loss.kind === 'unlike'
        ? ''
        : `, for the ${ordinal(place.failuresInARow)} time without a step in between`;
    notify(this.#run, `${this.#describe(loss)}${why}: it is not started again`, { warning: true });
  }

  /** Nobody wants this worker any more. */
  #vacate(workerId: string, place: Place): void {
    this.#places.delete(workerId);
    void this.#kill(place);
  }

  #kill(place: Place): Promise<unknown> {
    const { process: process_ } = place;
    place.process = null;
    clearTimeout(place.timer);
    return process_ === null ? Promise.resolve() : process_.stop({ graceMs: 0 });
  }

  /** It was told to end and does so by itself, or is killed. */
  #released(workerId: string): void {
    const place = this.#places.get(workerId);
    const process_ = place?.process;
    if (place === undefined || !process_) return;
    clearTimeout(place.timer);
    place.timer = setTimeout(() => void process_.stop({ graceMs: 0 }), this.#run.cluster.stopGraceMs);
  }

  #describe({ workerId, reason }: Loss): string {
    const logFile = this.#places.get(workerId)?.spec.logFile;
    return `${workerId} ${reason}${logFile === undefined ? '' : `; see ${logFile}`}`;
  }

  /** In the worker's own words, where it could say what is wrong. */
  #configError(loss: Loss): ConfigError {
    return new ConfigError(loss.kind === 'config-error' ? loss.reason : this.#describe(loss));
  }
}

function ordinal(count: number): string {
  const ending = ['th', 'st', 'nd', 'rd'][count % 100 > 10 && count % 100 < 20 ? 0 : count % 10] ?? 'th';
  return `${count}${ending}`;
}
