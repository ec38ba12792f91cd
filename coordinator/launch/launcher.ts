import type { ProcessExit } from '../../lib/process/child.js';

/** Where processes of a run come from. Kubernetes will be another one. */
export interface Launcher {
  launchWorker(spec: WorkerSpec): LaunchedProcess;
  launchReference(spec: ReferenceSpec): LaunchedReference;
  /** Removes what the launcher itself made. */
  close(): Promise<void>;
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
