import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnChild } from '../../lib/process/child.js';
import { withHugePages } from '../../lib/process/huge-pages.js';
import { isServing } from '../../proto/health.js';
import { makeSocketDirectory } from './socket-directory.js';
import type {
  Launcher,
  LaunchedProcess,
  LaunchedReference,
  ReferenceSpec,
  ReplicaLauncher,
  RunSpec,
  WorkerSpec,
  Workforce,
  WorkforceEvents,
} from './launcher.js';
import { ProcessWorkforce } from './process-workforce.js';

export interface ProcessLauncherOptions {
  /** Compiled JavaScript files of the two programs. */
  readonly workerEntry: string;
  readonly referenceEntry: string;
  /** Where workers find the coordinator, `host:port`. */
  readonly coordinatorAddress: string;
  /** The coordinator's own, absolute: replicas' sockets go there if its name is short enough. */
  readonly stateDir: string;
}

/** The embedded mode: workers and reference replicas as child processes on this machine. */
export class ProcessLauncher implements Launcher, ReplicaLauncher {
  readonly replicas = this;
  readonly #options: ProcessLauncherOptions;
  readonly #socketDir: string;

  constructor(options: ProcessLauncherOptions) {
    this.#options = options;
    this.#socketDir = makeSocketDirectory(options.stateDir);
  }

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    return new ProcessWorkforce(run, events, (worker) => this.launchWorker(worker));
  }

  /** Whatever an earlier coordinator started has ended with it. */
  endLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  launchWorker({ runId, workerId, threads, logFile }: WorkerSpec): LaunchedProcess {
    const { workerEntry, coordinatorAddress } = this.#options;
    const args = ['--coordinator', coordinatorAddress, '--run-id', runId, '--worker-id', workerId];
    args.push('--listen-host', '127.0.0.1', '--threads', String(threads));
    // What stays on this machine needs no encryption, which costs time.
    args.push('--collective-security', 'plain');
    return spawnChild({ name: workerId, entry: workerEntry, args, env: withHugePages(), logFile });
  }

  launchReference(spec: ReferenceSpec): LaunchedReference {
    const { runId, name, modelDir, adapterDir, threads, logFile } = spec;
    const socket = join(this.#socketDir, `${runId}-${name}.sock`);
    const args = ['--model', modelDir, '--socket', socket, '--threads', String(threads)];
    if (adapterDir !== null) args.push('--adapter', adapterDir);
    const { referenceEntry: entry } = this.#options;
    const child = spawnChild({ name, entry, args, env: withHugePages(), logFile });
    return { ...child, socket, isServing: (timeoutMs) => isServing(`unix:${socket}`, timeoutMs) };
  }

  async close(): Promise<void> {
    await rm(this.#socketDir, { recursive: true, force: true });
  }
}
