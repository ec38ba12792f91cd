import type { Logger } from '../../../lib/log.js';
import type { KubernetesApi, Resource } from './kubernetes-api.js';
import type { OwnerReference } from './objects.js';
import type { KubernetesSettings } from './settings.js';

/** How patient a workforce is with the cluster. */
export interface Patience {
  /** Between two tries of what failed, and between a watch that ended and the next one. */
  readonly pauseMs: number;
  /** How long workers are missing before it is told why. */
  readonly waitingMs: number;
  /** From the loss of a worker until its supervisor is taken to have started it again. Before that the pod's end is known. */
  readonly settleMs: number;
  /** What pods may take to go beyond the time that they have to end; those of a node that is gone never go. */
  readonly goneMs: number;
  /** Between two looks for what is left of runs that have ended. */
  readonly leftoversMs: number;
}

export const defaultPatience: Patience = {
  pauseMs: 1_000,
  waitingMs: 5_000,
  settleMs: 10_000,
  goneMs: 30_000,
  leftoversMs: 60_000,
};

/** What a launcher lends to its runs. */
export interface Cluster {
  readonly api: KubernetesApi;
  readonly settings: KubernetesSettings;
  /** The coordinator's StatefulSet. */
  readonly owner: OwnerReference;
  /** The queue's own objects; null where there is no queue. */
  readonly queueResource: Resource | null;
  readonly patience: Patience;
  readonly log: Logger;
}
