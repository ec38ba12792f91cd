import { join } from 'node:path';
import type { Launcher, RunSpec, Workforce, WorkforceEvents } from '../../../coordinator/launch/launcher.js';
import { Pod } from './pod.js';

export interface PodLauncherOptions {
  readonly dir: string;
  readonly coordinatorAddress: string;
  readonly workersPerNode: number;
}

/** Launches a pod for each node of a run. What becomes of a worker in its pod is the supervisor's business. */
export class PodLauncher implements Launcher {
  /** The pods bring their own. */
  readonly replicas = null;
  /** All that were started, in that order. */
  readonly pods: Pod[] = [];
  readonly #options: PodLauncherOptions;

  constructor(options: PodLauncherOptions) {
    this.#options = options;
  }

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    const { dir, coordinatorAddress: coordinator, workersPerNode } = this.#options;
    const { runId, threads } = run;
    const start = (node: number): Pod => {
      const podDir = join(dir, `pod-${this.pods.length}`);
      const pod = new Pod({ dir: podDir, coordinator, runId, node, workersPerNode, threads });
      this.pods.push(pod);
      return pod;
    };
    return new PodWorkforce(workersPerNode, start, events);
  }

  endLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.stop({ graceMs: 60_000 })));
  }
}

/** Starts another pod in the place of one that has ended, where one of its workers is wanted again. */
class PodWorkforce implements Workforce {
  readonly abandon = null;
  readonly #workersPerNode: number;
  readonly #start: (node: number) => Pod;
  readonly #events: WorkforceEvents;
  readonly #living = new Map<number, Pod>();
  #count = 0;
  #dismissed = false;

  constructor(workersPerNode: number, start: (node: number) => Pod, events: WorkforceEvents) {
    this.#workersPerNode = workersPerNode;
    this.#start = start;
    this.#events = events;
  }

  get size(): number {
    return this.#living.size * this.#workersPerNode;
  }

  setWorkers(count: number): void {
    for (; this.#count < count; this.#count++) this.restart(`worker-${this.#count}`);
  }

  restart(workerId: string): void {
    const node = Math.floor(Number(workerId.replace('worker-', '')) / this.#workersPerNode);
    if (!this.#living.has(node)) {
      const pod = this.#start(node);
      this.#living.set(node, pod);
      void pod.exited.then((exit) => {
        this.#living.delete(node);
        this.#events.left();
        for (let slot = 0; slot < this.#workersPerNode && !this.#dismissed; slot++) {
          const index = node * this.#workersPerNode + slot;
          if (index < this.#count) this.#events.exited(`worker-${index}`, exit);
        }
      });
    }
    this.#events.started(workerId);
  }

  end(): void {}

  letGo(): void {}

  logOf(): null {
    return null;
  }

  dismiss(): Promise<unknown> {
    this.#dismissed = true;
    return Promise.all([...this.#living.values()].map(({ exited }) => exited));
  }

  async close(options: { readonly graceMs: number }): Promise<void> {
    void this.dismiss();
    await Promise.all([...this.#living.values()].map((pod) => pod.stop(options)));
  }
}
