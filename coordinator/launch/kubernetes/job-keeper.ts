import { untilAborted } from '../../../lib/abort.js';
import { RunError } from '../../../lib/errors.js';
import { News } from '../../cluster/news.js';
import type { RunSpec } from '../launcher.js';
import { ApiError } from './api-error.js';
import type { Cluster } from './cluster.js';
import type { Followed } from './followed.js';
import { jobNameOf, makeJob, readSize, resizePatch, type JobSize } from './job.js';
import { conditionOf, jobs, jobSchema, pods, read, type Job, type Pod } from './objects.js';
import { workersPerNode } from './places.js';
import { readPodTemplate } from './pod-template.js';
import { livePodOf } from './pod-watch.js';
import { makePodGroup } from './queueing.js';
import { retrying } from './retry.js';

/**
 * Keeps a run's Job as it is wanted: makes it, or takes over the one of an earlier coordinator, and changes its size.
 * It looks again whenever something has changed, and does what is missing then.
 */
export class JobKeeper {
  readonly #cluster: Cluster;
  readonly #run: RunSpec;
  readonly #jobs: Followed<Job>;
  readonly #pods: Followed<Pod>;
  readonly #news = new News();
  readonly #end = new AbortController();
  #workers = 0;
  /** Of the Job that was made, or taken over, while it had not finished. */
  #uid: string | null = null;
  #groupOf: string | null = null;
  #kept: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, run: RunSpec, jobs: Followed<Job>, pods: Followed<Pod>) {
    this.#cluster = cluster;
    this.#run = run;
    this.#jobs = jobs;
    this.#pods = pods;
  }

  /**
   * `onKept` is called whenever the Job is as it should be; `onFailed` where it cannot be had, for a reason that no later
   * try would mend.
   */
  start(onKept: () => void, onFailed: (error: unknown) => void): void {
    this.#kept = this.#keep(onKept).catch((error: unknown) => {
      if (!this.#end.signal.aborted) onFailed(error);
    });
  }

  setWorkers(count: number): void {
    this.#workers = count;
    this.look();
  }

  /** Something may have changed. */
  look(): void {
    this.#news.tell();
  }

  /** The run's Job; undefined before there is one. */
  get job(): Job | undefined {
    return this.#found()?.find(({ metadata }) => metadata.uid === this.#uid);
  }

  get size(): JobSize | null {
    const { job } = this;
    return job === undefined ? null : readSize(job);
  }

  /** Resolves once nothing is done any more. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#kept;
  }

  async #keep(onKept: () => void): Promise<void> {
    const { signal } = this.#end;
    const { log, patience } = this.#cluster;
    const what = `the Job ${jobNameOf(this.#run.runId)} cannot be brought about`;
    while (!signal.aborted) {
      const { next } = this.#news;
      await retrying(() => this.#reconcile(), { what, log, pauseMs: patience.pauseMs, signal });
      onKept();
      await untilAborted(next, signal);
    }
  }

  async #reconcile(): Promise<void> {
    const found = this.#found();
    if (found === null || this.#workers === 0) return;
    const job = found[0] ?? (await this.#create());
    // Where it is being deleted, it is made again once it is gone.
    if (job === null || job.metadata.deletionTimestamp !== undefined) return;
    const size = this.#sizeOfOwn(job);
    if (this.#uid !== job.metadata.uid && hasFinished(job)) {
      await this.#cluster.api.delete(jobs, job.metadata.name, job.metadata.uid);
      return;
    }
    this.#uid = job.metadata.uid;
    if (size.workers !== this.#workers) await this.#resize(job, size);
    await this.#group(job);
  }

  #found(): readonly Job[] | null {
    const name = jobNameOf(this.#run.runId);
    return this.#jobs.items?.filter(({ metadata }) => metadata.name === name) ?? null;
  }

  #sizeOfOwn(job: Job): JobSize {
    const { owner } = this.#cluster;
    const size = readSize(job);
    if (size !== null && job.metadata.ownerReferences?.some(({ uid }) => uid === owner.uid) === true)
      return size;
    throw new RunError(
      `there is a Job ${job.metadata.name} already, which ${owner.name} did not make: delete it, and resume the run`,
    );
  }

  /** Null where it is there and gone in the same moment. */
  async #create(): Promise<Job | null> {
    const { api, owner, settings } = this.#cluster;
    const { queueing, workerTemplate } = settings;
    const perNode = workersPerNode(settings, this.#run.needsReference, this.#workers);
    const size = { workers: this.#workers, workersPerNode: perNode };
    const template = readPodTemplate(workerTemplate);
    const made = makeJob({ run: this.#run, template, owner, node: settings, queueing, size });
    try {
      return this.#put(await api.create(jobs, made));
    } catch (error) {
      if (!(error instanceof ApiError && error.isConflict)) throw error;
      return this.#put(await api.get(jobs, jobNameOf(this.#run.runId)));
    }
  }

  /** A node that has some of its workers already starts the others only with a new pod. */
  async #resize(job: Job, before: JobSize): Promise<void> {
    const { api } = this.#cluster;
    const size = { ...before, workers: this.#workers };
    const isGrown = size.workers > before.workers && before.workers % before.workersPerNode > 0;
    const node = Math.floor(before.workers / before.workersPerNode);
    const pod = isGrown ? livePodOf(this.#pods.items ?? [], node) : undefined;
    if (pod !== undefined) await api.delete(pods, pod.metadata.name, pod.metadata.uid);
    this.#put(await api.patch(jobs, job.metadata.name, resizePatch(size, this.#run)));
  }

  /** Volcano starts pods whose group is there, all of them or none. */
  async #group(job: Job): Promise<void> {
    const { api, settings, queueResource } = this.#cluster;
    const { queueing } = settings;
    if (queueing.mode !== 'volcano' || queueResource === null) return;
    const { uid, name } = job.metadata;
    const nodes = this.job?.spec.completions ?? 0;
    const state = `${uid} ${nodes}`;
    if (this.#groupOf === state) return;
    const group = makePodGroup(
      name,
      queueResource.version,
      { uid, nodes, runId: this.#run.runId },
      queueing.queue,
    );
    try {
      await api.create(queueResource, group);
    } catch (error) {
      if (!(error instanceof ApiError && error.isConflict)) throw error;
      await api.patch(queueResource, name, group);
    }
    this.#groupOf = state;
  }

  #put(object: unknown): Job {
    const job = read(jobSchema, object);
    this.#jobs.put(job);
    return job;
  }
}

function hasFinished({ status }: Job): boolean {
  return ['Complete', 'Failed'].some((type) => conditionOf(status?.conditions, type) !== undefined);
}
