import { join } from 'node:path';
import type {
  LaunchedProcess,
  LaunchedReference,
  Launcher,
  WorkerSpec,
} from '../../../coordinator/launch/launcher.js';
import type { ProcessExit } from '../../../lib/process/child.js';
import { Pod } from './pod.js';

export interface PodLauncherOptions {
  readonly dir: string;
  readonly coordinatorAddress: string;
  readonly workersPerNode: number;
}

/**
 * Launches a pod for each node of a run, and another one in the place of a pod that has ended. What becomes of a worker
 * in its pod is the supervisor's business.
 */
export class PodLauncher implements Launcher {
  /** All that were started, in that order. */
  readonly pods: Pod[] = [];
  readonly #living = new Map<number, Pod>();
  readonly #options: PodLauncherOptions;

  constructor(options: PodLauncherOptions) {
    this.#options = options;
  }

  launchWorker(spec: WorkerSpec): LaunchedProcess {
    const { workerId } = spec;
    const node = Math.floor(Number(workerId.replace('worker-', '')) / this.#options.workersPerNode);
    const pod = this.#living.get(node) ?? this.#startPod(node, spec);
    const forgotten = ended();
    const stop = () => forgotten.end({ code: null, signal: 'SIGTERM' });
    return { name: workerId, exited: Promise.race([pod.exited, forgotten.exited]), stop };
  }

  #startPod(node: number, { runId, threads }: WorkerSpec): Pod {
    const { dir, coordinatorAddress: coordinator, workersPerNode } = this.#options;
    const podDir = join(dir, `pod-${this.pods.length}`);
    const pod = new Pod({ dir: podDir, coordinator, runId, node, workersPerNode, threads });
    this.pods.push(pod);
    this.#living.set(node, pod);
    void pod.exited.then(() => this.#living.delete(node));
    return pod;
  }

  /** The pods bring their own, and tell their workers where. */
  launchReference(): LaunchedReference {
    const { exited, end } = ended();
    return {
      name: 'reference',
      socket: '/nowhere/reference.sock',
      ready: Promise.resolve(),
      exited,
      isServing: () => Promise.resolve(true),
      stop: () => end({ code: 0, signal: null }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.pods.map((pod) => pod.stop({ graceMs: 60_000 })));
  }
}

function ended() {
  let resolve!: (exit: ProcessExit) => void;
  const exited = new Promise<ProcessExit>((resolve_) => (resolve = resolve_));
  const end = (exit: ProcessExit) => {
    resolve(exit);
    return exited;
  };
  return { exited, end };
}
