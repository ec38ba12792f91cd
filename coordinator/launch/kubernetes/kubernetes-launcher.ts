import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import type { Launcher, RunSpec, Workforce, WorkforceEvents } from '../launcher.js';
import { ApiError } from './api-error.js';
import { defaultPatience, type Cluster, type Patience } from './cluster.js';
import { KubernetesApi, type Resource } from './kubernetes-api.js';
import { KubernetesWorkforce } from './kubernetes-workforce.js';
import {
  jobs,
  jobSchema,
  objectSchema,
  pods,
  read,
  readList,
  RUN_LABEL,
  type OwnerReference,
} from './objects.js';
import { workersPerNode } from './places.js';
import { readPodTemplate } from './pod-template.js';
import { groupOf } from './queueing.js';
import type { KubernetesSettings } from './settings.js';

export interface KubernetesLauncherOptions {
  readonly settings: KubernetesSettings;
  readonly log: Logger;
  readonly patience?: Partial<Patience>;
}

/** Makes a Job of each run, in the coordinator's own namespace. Every node brings its own reference replica. */
export class KubernetesLauncher implements Launcher {
  readonly replicas = null;
  readonly #cluster: Cluster;
  /** Runs whose workforce looks after their Job. */
  readonly #open = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * @throws ConfigError where the template, the coordinator's pod, or the queue is not what it must be; RunError where
   *   the API server does not answer
   */
  static async connect(options: KubernetesLauncherOptions, api?: KubernetesApi): Promise<KubernetesLauncher> {
    const { settings, log } = options;
    readPodTemplate(settings.workerTemplate);
    const connected = api ?? (await asRunError(KubernetesApi.connect(settings.namespace)));
    const owner = await asRunError(findOwner(connected, settings));
    const queueResource = await asRunError(findQueue(connected, settings));
    const patience = { ...defaultPatience, ...options.patience };
    return new KubernetesLauncher({ api: connected, settings, owner, queueResource, patience, log });
  }

  openRun(run: RunSpec, events: WorkforceEvents): Workforce {
    // What is impossible is said now, and not when the first Job is to be made.
    workersPerNode(this.#cluster.settings, run.needsReference, 1);
    this.#open.add(run.runId);
    return new KubernetesWorkforce(this.#cluster, run, events, () => this.#open.delete(run.runId));
  }

  async endLeftovers(isUnderWay: (runId: string) => boolean): Promise<void> {
    const { log, patience } = this.#cluster;
    await asRunError(this.#endLeftovers(isUnderWay));
    this.#timer = setInterval(() => {
      this.#looking = this.#endLeftovers(isUnderWay).catch((error: unknown) =>
        log.warn({ reason: messageOf(error) }, 'cannot look for Jobs of runs that have ended'),
      );
    }, patience.leftoversMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #endLeftovers(isUnderWay: (runId: string) => boolean): Promise<void> {
    const { api, owner, log } = this.#cluster;
    const { items } = readList(jobSchema, await api.list(jobs, RUN_LABEL));
    for (const { metadata } of items) {
      const runId = metadata.labels?.[RUN_LABEL] ?? '';
      const isOurs = metadata.ownerReferences?.some(({ uid }) => uid === owner.uid) === true;
      if (!isOurs || this.#open.has(runId) || isUnderWay(runId)) continue;
      if (metadata.deletionTimestamp !== undefined) continue;
      log.info({ runId, job: metadata.name }, 'the Job of a run that is not under way is deleted');
      await api.delete(jobs, metadata.name, metadata.uid);
    }
  }
}

/** The StatefulSet of the coordinator's pod. What it owns goes when it is uninstalled. */
async function findOwner(
  api: KubernetesApi,
  { pod, namespace }: KubernetesSettings,
): Promise<OwnerReference> {
  const { metadata } = read(objectSchema, await api.get(pods, pod));
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'StatefulSet');
  if (owner === undefined)
    throw new ConfigError(`--pod ${pod}: no pod of a StatefulSet in namespace ${namespace}`);
  return owner;
}

async function findQueue(api: KubernetesApi, { queueing }: KubernetesSettings): Promise<Resource | null> {
  const kind = groupOf(queueing);
  if (kind === null) return null;
  const version = await api.preferredVersion(kind.group);
  if (version === null) {
    throw new ConfigError(
      `--queueing ${queueing.mode}: the cluster does not know ${kind.group}; install it first`,
    );
  }
  return { ...kind, version };
}

async function asRunError<Result>(call: Promise<Result>): Promise<Result> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new RunError(`Kubernetes' API server does not do what the launcher needs: ${error.message}`);
  }
}
