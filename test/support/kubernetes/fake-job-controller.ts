import { randomBytes } from 'node:crypto';
import type { FakeApiServer, FakeObject } from './fake-api-server.js';

const INDEX = 'batch.kubernetes.io/job-completion-index';

/** Makes the pods of Jobs, one an index, as Kubernetes does; what becomes of a pod, the test says. */
export class FakeJobController {
  readonly #server: FakeApiServer;

  constructor(server: FakeApiServer) {
    this.#server = server;
    server.listen(({ collection, object }) => {
      if (collection === 'jobs') this.#sync(object.metadata.name);
      const job = object.metadata.labels?.['job'];
      if (collection === 'pods' && job !== undefined) this.#sync(job);
    });
  }

  /** The newest pod of an index. */
  pod(job: string, index: number): FakeObject {
    const pod = this.#podsOf(job).findLast(({ metadata }) => metadata.labels?.[INDEX] === String(index));
    if (pod === undefined) throw new Error(`there is no pod ${index} of ${job}`);
    return pod;
  }

  /** Its containers run. */
  run(job: string, index: number): void {
    this.#setStatus(this.pod(job, index), {
      phase: 'Running',
      containerStatuses: [{ name: 'supervisor', state: { running: {} } }],
    });
  }

  /** Its supervisor ends. */
  end(job: string, index: number, exitCode: number, message = ''): void {
    const terminated = { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', message };
    this.#setStatus(this.pod(job, index), {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [{ name: 'supervisor', state: { terminated } }],
    });
  }

  /** No node takes it. */
  holdUp(job: string, index: number, message: string): void {
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    this.#setStatus(this.pod(job, index), { phase: 'Pending', conditions });
  }

  setJobStatus(job: string, status: Record<string, unknown>): void {
    const before = this.#server.find('jobs', job);
    this.#server.put('jobs', job, { status: { ...before?.status, ...status } });
  }

  #setStatus({ metadata }: FakeObject, status: Record<string, unknown>): void {
    this.#server.put('pods', metadata.name, { status });
  }

  #podsOf(job: string): FakeObject[] {
    return this.#server.all('pods').filter(({ metadata }) => metadata.labels?.['job'] === job);
  }

  #sync(name: string): void {
    const job = this.#server.find('jobs', name);
    if (job === undefined || isOver(job)) return;
    const { completions, suspend } = job.spec as { completions: number; suspend?: boolean };
    const wanted = suspend === true ? 0 : completions;
    for (const { metadata } of this.#podsOf(name)) {
      if (Number(metadata.labels?.[INDEX]) >= wanted) this.#server.remove('pods', metadata.name);
    }
    for (let index = 0; index < wanted; index++) {
      const pods = this.#podsOf(name).filter(({ metadata }) => metadata.labels?.[INDEX] === String(index));
      if (pods.every(({ status }) => status?.['phase'] === 'Failed')) this.#make(job, index);
    }
  }

  #make({ metadata, spec }: FakeObject, index: number): void {
    const { template } = spec as { template: { metadata: { labels: Record<string, string> }; spec: object } };
    const name = `${metadata.name}-${index}-${randomBytes(3).toString('hex')}`;
    this.#server.put('pods', name, {
      metadata: {
        labels: { ...template.metadata.labels, [INDEX]: String(index), job: metadata.name },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: metadata.name, uid: metadata.uid }],
      },
      spec: { ...template.spec, nodeName: `node-${index}` },
      status: { phase: 'Pending' },
    });
  }
}

function isOver({ status }: FakeObject): boolean {
  const conditions = (status?.['conditions'] ?? []) as readonly { readonly type: string }[];
  // With the first of these it makes no pod any more; the second comes when all have ended.
  return conditions.some(({ type }) => ['FailureTarget', 'Failed', 'Complete'].includes(type));
}
