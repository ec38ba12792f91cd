import type { ProcessExit } from '../../lib/process/child.js';

/** Where the workers of runs, and their reference replicas, come from. */
export interface Launcher {
  /**
   * Opens a run's workforce, which has no workers before `setWorkers`, or those that outlived an earlier coordinator.
   * @throws ConfigError where the run cannot have workers here
   */
  openRun(run: RunSpec, events: WorkforceEvents): Workforce;
  /** Starts replicas that the coordinator looks after; null where every node of a run brings its own. */
  readonly replicas: ReplicaLauncher | null;
  /** Ends, now and from now on, what is left of runs that are not under way. */
  endLeftovers(isUnderWay: (runId: string) => boolean): Promise<void>;
  /** Removes what the launcher itself made. */
  close(): Promise<void>;
}

export interface RunSpec {
  readonly runId: string;
  /** Absolute; workers and coordinator see it under this path. */
  readonly outputDir: string;
  /** TensorFlow threads of each worker, and of the replica. */
  readonly threads: number;
  readonly minWorkers: number;
  readonly maxRestarts: number;
  /** Whether a stage of the run needs the frozen reference. */
  readonly needsReference: boolean;
}

/** A run's workers, wherever they are. */
export interface Workforce {
  /** Has `worker-0` to `worker-<count - 1>` started where they are not there. Those beyond are the caller's to let go. */
  setWorkers(count: number): void;
  /** What is left of a lost worker ends, and it is started once more after `delayMs`. */
  restart(workerId: string, how: Restart): void;
  /** Nobody wants this worker any more: what is left of it ends. */
  end(workerId: string): void;
  /** This worker was told to end, and does so by itself; it is ended where it has not after `graceMs`. */
  letGo(workerId: string, graceMs: number): void;
  /** Workers that have not ended yet: more than there should be, until those that are to go are gone. */
  readonly size: number;
  /** The file of a worker's log; null where there is none. */
  logOf(workerId: string): string | null;
  /** Starts nobody any more, and tells nothing any more; resolves once all workers have ended by themselves. */
  dismiss(): Promise<unknown>;
  /** Ends whatever still runs; workers have `graceMs`. */
  close(options: { readonly graceMs: number }): Promise<void>;
  /** Leaves the workers to the next coordinator, which they look for; null where they end with this one. */
  readonly abandon: (() => Promise<void>) | null;
}

export interface Restart {
  readonly delayMs: number;
  /** It may still be there, and does not end by itself. */
  readonly hangs: boolean;
}

/** What a workforce tells, once it was opened. */
export interface WorkforceEvents {
  /** A worker was started, for the first time or again: it is to join soon. */
  started(workerId: string): void;
  exited(workerId: string, exit: WorkerExit): void;
  /** Fewer workers than before have not ended yet. */
  left(): void;
  /** A worker will never be started again; `reason` follows its id in a sentence. */
  gone(workerId: string, reason: string): void;
  /** Why workers that should be there are not: what they wait for. */
  waits(reason: string): void;
  /** The run can have no workers any more. */
  failed(error: Error): void;
}

/** How a worker's process ended, as far as its launcher knows. */
export interface WorkerExit extends ProcessExit {
  /** What it, or the system, said last. */
  readonly lastWords?: string;
}

export interface ReplicaLauncher {
  launchReference(spec: ReferenceSpec): LaunchedReference;
}

export interface WorkerSpec {
  readonly runId: string;
  readonly workerId: string;
  readonly threads: number;
  readonly logFile: string;
}

export interface ReferenceSpec {
  readonly runId: string;
  /** A replica of a run that is launched again under its name serves on the same socket. */
  readonly name: string;
  /** Hugging Face directory of the frozen model. */
  readonly modelDir: string;
  /** An adapter upon it, in PEFT's format; null for the model as it is. */
  readonly adapterDir: string | null;
  readonly threads: number;
  readonly logFile: string;
}

export interface LaunchedProcess {
  readonly name: string;
  /** Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Asks the process to end and kills it after `graceMs`. */
  stop(options: { readonly graceMs: number }): Promise<ProcessExit>;
}

export interface LaunchedReference extends LaunchedProcess {
  /** Unix socket path that it serves on. */
  readonly socket: string;
  /** Resolves once it serves; rejects with a UserError if it cannot. */
  readonly ready: Promise<unknown>;
  /** Whether it says within this time that it lives. */
  isServing(timeoutMs: number): Promise<boolean>;
}
