import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';
import { describeExit } from '../../../lib/process/child.js';
import { News } from '../../cluster/news.js';
import type { Restart, RunSpec, WorkerExit, Workforce, WorkforceEvents } from '../launcher.js';
import { ApiError } from './api-error.js';
import type { Cluster } from './cluster.js';
import { Followed } from './followed.js';
import { indexesIn } from './indexes.js';
import { jobNameOf } from './job.js';
import { JobKeeper } from './job-keeper.js';
import {
  conditionOf,
  jobs,
  jobSchema,
  pods,
  podSchema,
  queuedSchema,
  RUN_LABEL,
  type Job,
  type Pod,
  type Queued,
} from './objects.js';
import { nodeOf, workersOn } from './places.js';
import { endOf, isRunning } from './pod-state.js';
import { livePodOf, PodWatch, type PodNews } from './pod-watch.js';
import { queuedSelector } from './queueing.js';
import { retrying } from './retry.js';
import { reasonToWait, WaitingNews } from './waiting.js';

/**
 * The workers of a run as pods of a Job. The Job replaces pods, and the supervisor in each pod starts its workers again;
 * what is told of that here is what the Job's and the pods' status say.
 */
export class KubernetesWorkforce implements Workforce {
  readonly #cluster: Cluster;
  readonly #run: RunSpec;
  readonly #events: WorkforceEvents;
  readonly #onClosed: () => void;
  readonly #keeper: JobKeeper;
  readonly #jobs: Followed<Job>;
  readonly #pods: Followed<Pod>;
  #queued: { readonly ofJob: string; readonly objects: Followed<Queued> } | null = null;
  readonly #podWatch = new PodWatch();
  readonly #waiting: WaitingNews;
  /** By node: how its last pod ended. */
  readonly #ends = new Map<number, WorkerExit>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #news = new News();
  readonly #end = new AbortController();
  #workers = 0;
  /** The size of which the fleet knows. */
  #told = 0;
  #failed = false;
  #dismissed = false;

  constructor(cluster: Cluster, run: RunSpec, events: WorkforceEvents, onClosed: () => void) {
    this.#cluster = cluster;
    this.#run = run;
    this.#events = events;
    this.#onClosed = onClosed;
    this.#waiting = new WaitingNews(cluster.patience.waitingMs, (reason) => events.waits(reason));
    const labelSelector = `${RUN_LABEL}=${run.runId}`;
    const following = {
      log: cluster.log,
      pauseMs: cluster.patience.pauseMs,
      onChange: () => this.#changed(),
    };
    this.#jobs = new Followed(cluster.api, { resource: jobs, schema: jobSchema, labelSelector }, following);
    this.#pods = new Followed(cluster.api, { resource: pods, schema: podSchema, labelSelector }, following);
    this.#keeper = new JobKeeper(cluster, run, this.#jobs, this.#pods);
    const fail = (error: unknown) => this.#fail(error);
    this.#jobs.start(fail);
    this.#pods.start(fail);
    this.#keeper.start(() => this.#observe(), fail);
  }

  get size(): number {
    const { size } = this.#keeper;
    return this.#living().length * (size?.workersPerNode ?? 0);
  }

  setWorkers(count: number): void {
    this.#workers = count;
    this.#keeper.setWorkers(count);
  }

  restart(workerId: string, { delayMs, hangs }: Restart): void {
    const pod = this.#podOf(workerId);
    // Where there is none, the Job makes the next one, and its workers are told of when it runs.
    if (pod === undefined) return;
    if (hangs) this.#delete(pod);
    else this.#startedAgain(workerId, pod.metadata.uid, Math.max(delayMs, this.#cluster.patience.settleMs));
  }

  /** One that joins later is told by the coordinator that it has no place; the Job was told of the run's new size. */
  end(workerId: string): void {
    this.#after(workerId, null);
  }

  letGo(workerId: string, graceMs: number): void {
    // Nobody sees the end of a process whose pod goes on.
    this.#after(workerId, {
      ms: graceMs,
      act: () => this.#events.exited(workerId, { code: 0, signal: null }),
    });
  }

  /** Pods go with the run, and their logs with them. */
  logOf(): null {
    return null;
  }

  async dismiss(): Promise<void> {
    this.#quieten();
    await this.#until(() => this.#living().length === 0);
  }

  async close(): Promise<void> {
    this.#quieten();
    await this.#keeper.stop();
    await this.#deleteJob();
    await this.#untilPodsAreGone();
    await this.#stopFollowing();
  }

  readonly abandon = async (): Promise<void> => {
    this.#quieten();
    await this.#keeper.stop();
    await this.#stopFollowing();
  };

  // ---- what the cluster says ----

  /** Something of the Job or the pods has. */
  #changed(): void {
    this.#keeper.look();
    this.#news.tell();
    this.#observe();
  }

  /** Tells what is new. */
  #observe(): void {
    const { job, size } = this.#keeper;
    const { items } = this.#pods;
    if (this.#dismissed || job === undefined || size === null || items === null) return;
    this.#followQueue(job);
    for (const news of this.#podWatch.look(items)) this.#tell(news, size.workersPerNode);
    if (this.size < this.#told) this.#events.left();
    this.#told = this.size;
    this.#tellOfGone(job, size.workersPerNode);
    this.#tellOfFailure(job);
    const { queueing } = this.#cluster.settings;
    this.#waiting.is(reasonToWait(queueing, job, items, this.#queued?.objects.items ?? []));
  }

  #tell(news: PodNews, perNode: number): void {
    // Also of workers that are not wanted any more.
    const workers = workersOn(news.node, perNode, Number.POSITIVE_INFINITY);
    for (const workerId of workers) this.#after(workerId, null);
    if (news.kind === 'running') {
      for (const workerId of workers) this.#events.started(workerId);
      return;
    }
    this.#ends.set(news.node, news.exit);
    for (const workerId of workers) this.#events.exited(workerId, news.exit);
  }

  /** Of nodes that get no further pod. */
  #tellOfGone({ metadata, status }: Job, perNode: number): void {
    const { failedIndexes = '', completedIndexes = '' } = status ?? {};
    for (const node of [...indexesIn(failedIndexes), ...indexesIn(completedIndexes)]) {
      const exit = this.#ends.get(node);
      const end = exit === undefined ? '' : `, which ${describeExit(exit)} (${exit.lastWords ?? ''})`;
      const reason = `gets no pod any more after the last one${end}: index ${node} of the Job ${metadata.name} is over`;
      for (const workerId of workersOn(node, perNode, this.#workers)) this.#events.gone(workerId, reason);
    }
  }

  #tellOfFailure({ metadata, status }: Job): void {
    const failed = conditionOf(status?.conditions, 'Failed');
    if (failed === undefined) return;
    // Those that ended by themselves: with a Job that fails, the others are told to.
    const last = [...this.#ends.values()].findLast(({ code }) => code !== null)?.lastWords ?? '';
    const why = failed.message ?? failed.reason ?? 'it does not say why';
    const text = `the Job ${metadata.name} has failed: ${why}${last === '' ? '' : ` (${last})`}`;
    // By the exit code for bad input: see the Job's failure rules.
    const isConfig = failed.reason === 'PodFailurePolicy';
    this.#fail(isConfig ? new ConfigError(text) : new RunError(text));
  }

  #followQueue(job: Job): void {
    const { api, log, patience, settings, queueResource } = this.#cluster;
    const ofJob = job.metadata.uid;
    if (queueResource === null || this.#queued?.ofJob === ofJob) return;
    void this.#queued?.objects.stop();
    const labelSelector = queuedSelector(settings.queueing, job);
    const selection = { resource: queueResource, schema: queuedSchema, labelSelector };
    const following = { log, pauseMs: patience.pauseMs, onChange: () => this.#changed() };
    const objects = new Followed(api, selection, following).start((error) => this.#fail(error));
    this.#queued = { ofJob, objects };
  }

  #fail(error: unknown): void {
    if (this.#dismissed || this.#failed) return;
    this.#failed = true;
    if (error instanceof ApiError) {
      const job = `the Job ${jobNameOf(this.#run.runId)}`;
      this.#events.failed(new RunError(`Kubernetes refuses ${job}, or to tell of it: ${error.message}`));
    } else this.#events.failed(error instanceof Error ? error : new Error(String(error)));
  }

  // ---- what is done there ----

  #podOf(workerId: string): Pod | undefined {
    const { size } = this.#keeper;
    if (size === null) return undefined;
    return livePodOf(this.#pods.items ?? [], nodeOf(workerId, size.workersPerNode));
  }

  #startedAgain(workerId: string, podUid: string, delayMs: number): void {
    const act = () => {
      const pod = this.#podOf(workerId);
      if (pod?.metadata.uid === podUid && isRunning(pod)) this.#events.started(workerId);
    };
    this.#after(workerId, { ms: delayMs, act });
  }

  /** In place of what was to be done about this worker. */
  #after(workerId: string, what: { readonly ms: number; readonly act: () => void } | null): void {
    clearTimeout(this.#timers.get(workerId));
    this.#timers.delete(workerId);
    if (what !== null && !this.#dismissed) this.#timers.set(workerId, setTimeout(what.act, what.ms));
  }

  #delete({ metadata }: Pod): void {
    const { api, log, patience } = this.#cluster;
    if (metadata.deletionTimestamp !== undefined) return;
    const retry = { what: `pod ${metadata.name} cannot be deleted`, log, pauseMs: patience.pauseMs };
    retrying(() => api.delete(pods, metadata.name, metadata.uid), {
      ...retry,
      signal: this.#end.signal,
    }).catch((error: unknown) => this.#fail(error));
  }

  /** However long that takes: a Job that is left would hold its nodes. */
  async #deleteJob(): Promise<void> {
    const { api, log, patience } = this.#cluster;
    const { job } = this.#keeper;
    if (job === undefined) return;
    const { name, uid } = job.metadata;
    const retry = { what: `the Job ${name} cannot be deleted`, log, pauseMs: patience.pauseMs };
    try {
      await retrying(() => api.delete(jobs, name, uid), { ...retry, signal: this.#end.signal });
    } catch (error) {
      // The run has ended as it has; the launcher looks for its Job again.
      log.error({ reason: messageOf(error) }, retry.what);
    }
  }

  async #untilPodsAreGone(): Promise<void> {
    const left = () => this.#pods.items ?? [];
    const graceS = Math.max(0, ...left().map(({ spec }) => spec.terminationGracePeriodSeconds ?? 30));
    const over = new AbortController();
    const timeout = delay(graceS * 1_000 + this.#cluster.patience.goneMs, undefined, { signal: over.signal });
    const gone = this.#until(() => left().length === 0);
    await Promise.race([gone, timeout]).finally(() => over.abort());
    if (left().length === 0) return;
    const names = left().map(({ metadata, spec }) => `${metadata.name} on ${spec.nodeName ?? 'no node'}`);
    this.#cluster.log.warn({ runId: this.#run.runId, pods: names }, 'pods have not gone: is their node?');
  }

  #living(): readonly Pod[] {
    return (this.#pods.items ?? []).filter((pod) => isRunning(pod) && endOf(pod) === null);
  }

  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      const { next } = this.#news;
      if (condition()) return;
      await next;
    }
  }

  /** Tells nothing any more. */
  #quieten(): void {
    this.#dismissed = true;
    this.#waiting.end();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #stopFollowing(): Promise<void> {
    this.#end.abort();
    await Promise.all([this.#jobs.stop(), this.#pods.stop(), this.#queued?.objects.stop()]);
    this.#onClosed();
  }
}
