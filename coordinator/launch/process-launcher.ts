import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnChild } from '../../lib/process/child.js';
import type { Launcher, LaunchedProcess, LaunchedReference, ReferenceSpec, WorkerSpec } from './launcher.js';

export interface ProcessLauncherOptions {
  /** Compiled JavaScript files of the two programs. */
  readonly workerEntry: string;
  readonly referenceEntry: string;
  /** Where workers find the coordinator, `host:port`. */
  readonly coordinatorAddress: string;
}

/** A Unix socket's path must fit `sockaddr_un`: 108 bytes on Linux, 104 elsewhere, with a closing zero. */
const MAX_SOCKET_PATH_BYTES = 103;

/** The embedded mode: workers and reference replicas as child processes on this machine. */
export class ProcessLauncher implements Launcher {
  readonly #options: ProcessLauncherOptions;
  readonly #socketDir = makeSocketDir();
  #references = 0;

  constructor(options: ProcessLauncherOptions) {
    this.#options = options;
  }

  launchWorker({ runId, workerId, threads, logFile }: WorkerSpec): LaunchedProcess {
    const { workerEntry, coordinatorAddress } = this.#options;
    const args = ['--coordinator', coordinatorAddress, '--run-id', runId, '--worker-id', workerId];
    args.push('--listen-host', '127.0.0.1', '--threads', String(threads));
    return spawnChild({ name: workerId, entry: workerEntry, args, logFile });
  }

  launchReference({ name, modelDir, threads, logFile }: ReferenceSpec): LaunchedReference {
    const socket = join(this.#socketDir, `r${++this.#references}.sock`);
    const args = ['--model', modelDir, '--socket', socket, '--threads', String(threads)];
    return { ...spawnChild({ name, entry: this.#options.referenceEntry, args, logFile }), socket };
  }

  async close(): Promise<void> {
    await rm(this.#socketDir, { recursive: true, force: true });
  }
}

/** A private directory for sockets; below /tmp where the system's temporary directory has too long a name. */
function makeSocketDir(): string {
  const nameBytes = Buffer.byteLength(join(tmpdir(), 'prospect-XXXXXX', 'r9999.sock'));
  return mkdtempSync(join(nameBytes > MAX_SOCKET_PATH_BYTES ? '/tmp' : tmpdir(), 'prospect-'));
}
