import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnChild, type Child, type ProcessExit } from '../../../lib/process/child.js';
import { processesTagged, until, type RunningProcess } from '../processes.js';

const entry = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export interface PodOptions {
  /** Of the pod alone. */
  readonly dir: string;
  /** host:port. */
  readonly coordinator: string;
  readonly runId: string;
  /** Completion index. */
  readonly node: number;
  readonly workersPerNode: number;
  readonly threads: number;
}

/** A run's pod on one node, as Kubernetes runs it: the replica as a sidecar, and the supervisor once that has started. */
export class Pod {
  readonly logFile: string;
  /** How the supervisor ends, with which the pod does. */
  readonly exited: Promise<ProcessExit>;
  readonly #options: PodOptions;
  readonly #tag = `PROSPECT_TEST_TAG=${randomUUID()}`;
  readonly #socket: string;
  readonly #follow: string;
  #replica: Child;
  #ended = false;
  readonly #supervisor: Promise<Child>;

  constructor(options: PodOptions) {
    this.#options = options;
    const { dir } = options;
    mkdirSync(dir, { recursive: true });
    this.logFile = join(dir, 'log');
    this.#socket = join(dir, 'reference.sock');
    this.#follow = join(dir, 'reference.json');
    this.#replica = this.#startReplica();
    this.#supervisor = this.#startSupervisor();
    this.exited = this.#live();
  }

  /** All processes that there are of it, now. */
  processes(): RunningProcess[] {
    return processesTagged(this.#tag);
  }

  workers(): RunningProcess[] {
    return this.processes().filter(({ command }) => command.includes('--worker-id'));
  }

  replicas(): RunningProcess[] {
    return this.processes().filter(({ command }) => command.includes('worker/reference/main.js'));
  }

  /** GET from the pod's metrics port. */
  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const { metricsAddress } = await (await this.#supervisor).ready;
    const response = await fetch(`http://${metricsAddress}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** To the supervisor. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    process.kill((await this.#supervisor).pid!, signal);
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop({ graceMs }: { readonly graceMs: number }): Promise<ProcessExit> {
    await (await this.#supervisor).stop({ graceMs });
    return this.exited;
  }

  /** The kubelet starts a sidecar again that ends, for as long as the pod lives, and ends it after the others. */
  async #live(): Promise<ProcessExit> {
    this.#restartReplica();
    const exit = await (await this.#supervisor).exited;
    this.#ended = true;
    await this.#replica.stop({ graceMs: 30_000 });
    await until('all processes of the pod are gone', () => this.processes().length === 0);
    return exit;
  }

  #restartReplica(): void {
    void this.#replica.exited.then(() => {
      if (this.#ended) return;
      this.#replica = this.#startReplica();
      this.#restartReplica();
    });
  }

  #startReplica(): Child {
    const { threads } = this.#options;
    const args = ['--follow', this.#follow, '--socket', this.#socket, '--threads', String(threads)];
    return this.#spawn('reference', 'worker/reference/main.js', args);
  }

  async #startSupervisor(): Promise<Child> {
    // The startup probe of the sidecar.
    await until('the replica has its socket', () => existsSync(this.#socket));
    const { coordinator, runId, node, workersPerNode, threads } = this.#options;
    return this.#spawn('supervisor', 'worker/supervisor.js', [
      ...['--coordinator', coordinator, '--run-id', runId, '--node', String(node)],
      ...['--workers', String(workersPerNode), '--threads', String(threads), '--listen-host', '127.0.0.1'],
      ...['--reference-socket', this.#socket, '--reference-follow', this.#follow],
      ...['--metrics-listen', '127.0.0.1:0'],
    ]);
  }

  #spawn(name: string, file: string, args: readonly string[]): Child {
    const [tagName, tag] = this.#tag.split('=') as [string, string];
    const env = { [tagName]: tag, PROSPECT_REFERENCE_CACHE: join(this.#options.dir, 'cache') };
    return spawnChild({ name, entry: entry(file), args, env, logFile: this.logFile });
  }
}
