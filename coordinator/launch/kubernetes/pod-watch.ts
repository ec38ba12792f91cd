import type { WorkerExit } from '../launcher.js';
import type { Pod } from './objects.js';
import { endOf, isRunning, nodeIndexOf } from './pod-state.js';

/** What has happened to a node's pod. */
export type PodNews =
  | { readonly kind: 'running'; readonly node: number }
  | { readonly kind: 'ended'; readonly node: number; readonly exit: WorkerExit };

interface Known {
  readonly node: number;
  state: 'pending' | 'running' | 'ended';
}

const deleted: WorkerExit = { code: null, signal: 'SIGKILL', lastWords: 'its pod is gone' };

/** Makes news of what a run's pods look like: each pod's start and end once. */
export class PodWatch {
  readonly #known = new Map<string, Known>();

  /** All pods of the run as they are now. */
  look(pods: readonly Pod[]): PodNews[] {
    const news: PodNews[] = [];
    for (const pod of pods) {
      const node = nodeIndexOf(pod);
      if (node === null) continue;
      const known = this.#known.get(pod.metadata.uid) ?? { node, state: 'pending' };
      this.#known.set(pod.metadata.uid, known);
      const exit = endOf(pod);
      if (exit !== null && known.state !== 'ended') {
        known.state = 'ended';
        news.push({ kind: 'ended', node, exit });
      } else if (isRunning(pod) && known.state === 'pending') {
        known.state = 'running';
        news.push({ kind: 'running', node });
      }
    }
    news.push(...this.#vanished(pods));
    // Where another pod of the node is there, the end of the one before is no news any more: its workers are others.
    return news.filter(({ kind, node }) => kind === 'running' || livePodOf(pods, node) === undefined);
  }

  /** A pod that was deleted by force shows no end. */
  #vanished(pods: readonly Pod[]): PodNews[] {
    const here = new Set(pods.map(({ metadata }) => metadata.uid));
    const news: PodNews[] = [];
    for (const [uid, { node, state }] of this.#known) {
      if (here.has(uid)) continue;
      this.#known.delete(uid);
      if (state === 'running') news.push({ kind: 'ended', node, exit: deleted });
    }
    return news;
  }
}

/** The pod of a node whose workers have not ended. */
export function livePodOf(pods: readonly Pod[], node: number): Pod | undefined {
  return pods.find((pod) => nodeIndexOf(pod) === node && endOf(pod) === null);
}
