import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, type Client } from '@grpc/grpc-js';
import { spawnChild, type Child, type ProcessExit } from '../../lib/process/child.js';
import { connect } from '../../proto/calls.js';
import { processesTagged, type RunningProcess } from '../integration/processes.js';

const entry = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/**
 * The coordinator's program with its workers and replicas, which can be killed and started again on the same state. All
 * its processes carry a tag in their environment, by which they are found.
 */
export class CoordinatorProcess {
  readonly stateDir: string;
  /** Where it puts temporary files: its own, to see what it leaves there. */
  readonly temporaryDir: string;
  readonly logFile: string;
  /** Of its own, so that no run takes answers of the reference from another one. */
  readonly #cacheDir: string;
  readonly #tag = `PROSPECT_TEST_TAG=${randomUUID()}`;
  #child: Child | undefined;
  #client: Promise<Client> | undefined;

  constructor(dir: string) {
    this.stateDir = join(dir, 'state');
    this.temporaryDir = join(dir, 'tmp');
    this.logFile = join(dir, 'coordinator.log');
    this.#cacheDir = join(dir, 'cache');
    mkdirSync(this.temporaryDir, { recursive: true });
  }

  /** Starts `prospect coordinator` where further arguments are given, else the program that `prospect train` starts. */
  start(service?: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    const [tagName, tag] = this.#tag.split('=') as [string, string];
    const args = ['--state-dir', this.stateDir, '--listen', '127.0.0.1:0'];
    const programs = ['--worker-entry', entry('worker/main.js')];
    programs.push('--reference-entry', entry('worker/reference/main.js'));
    const child = spawnChild({
      name: 'the coordinator',
      ...(service === undefined
        ? { entry: entry('coordinator/main.js'), args: [...args, ...programs] }
        : { entry: entry('deploy/cli/main.js'), args: ['coordinator', ...args, ...service] }),
      env: { ...env, [tagName]: tag, TMPDIR: this.temporaryDir, PROSPECT_REFERENCE_CACHE: this.#cacheDir },
      logFile: this.logFile,
    });
    this.#child = child;
    this.#client = child.ready.then(({ address }) => connect(address!, credentials.createInsecure()));
    // Whoever needs it awaits it.
    this.#client.catch(() => undefined);
  }

  /** To the coordinator as it runs now. Rejects where it ends before it can be used. */
  client(): Promise<Client> {
    if (this.#client === undefined) throw new Error('the coordinator has not been started');
    return this.#client;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#child?.pid !== undefined) process.kill(this.#child.pid, 'SIGKILL');
    await this.#gone();
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async terminate({ graceMs }: { readonly graceMs: number }): Promise<ProcessExit> {
    await this.#child?.stop({ graceMs });
    return this.#gone();
  }

  async #gone(): Promise<ProcessExit> {
    if (this.#child === undefined) throw new Error('the coordinator has not been started');
    const exit = await this.#child.exited;
    await this.#client?.then(
      (client) => client.close(),
      () => undefined,
    );
    return exit;
  }

  /** All processes that there are of it, now. */
  processes(): RunningProcess[] {
    return processesTagged(this.#tag);
  }

  workers(): RunningProcess[] {
    return this.processes()
      .filter(({ command }) => command.includes('--worker-id'))
      .sort((a, b) => workerIdOf(a).localeCompare(workerIdOf(b), 'en', { numeric: true }));
  }

  references(): RunningProcess[] {
    // The coordinator's own arguments name the program too.
    return this.processes().filter(({ command }) => command.includes('worker/reference/main.js --model'));
  }
}

export function workerIdOf({ command }: RunningProcess): string {
  return /--worker-id (\S+)/.exec(command)?.[1] ?? '';
}
