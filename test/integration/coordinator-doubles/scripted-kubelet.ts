import type { FakeApiServer, FakeObject } from '../../support/kubernetes/fake-api-server.js';
import type { FakeJobController } from '../../support/kubernetes/fake-job-controller.js';
import { ScriptedWorker, type Script } from './scripted-worker.js';

const INDEX = 'batch.kubernetes.io/job-completion-index';

interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

/** Runs scripted workers for the pods of a Job, as supervisors would that start no worker again. */
export class ScriptedKubelet {
  /** Every worker that there was. */
  readonly workers: ScriptedWorker[] = [];
  readonly #server: FakeApiServer;
  readonly #controller: FakeJobController;
  readonly #scripts: Readonly<Record<string, Script>>;
  readonly #pods = new Map<string, readonly ScriptedWorker[]>();
  #address: string | null = null;

  /** `scripts` by worker id. */
  constructor(
    server: FakeApiServer,
    controller: FakeJobController,
    scripts: Readonly<Record<string, Script>> = {},
  ) {
    this.#server = server;
    this.#controller = controller;
    this.#scripts = scripts;
    server.listen(({ collection, type, object }) => {
      if (collection !== 'pods') return;
      // Kubernetes hears of a change before it does something about it.
      if (type === 'ADDED') setImmediate(() => this.#start(object));
      if (type === 'DELETED') this.#kill(object);
    });
  }

  /** Pods start once they have a coordinator to go to. */
  goTo(address: string | null): void {
    this.#address = address;
    for (const pod of this.#server.all('pods')) this.#start(pod);
  }

  #start({ metadata, spec }: FakeObject): void {
    const job = metadata.labels?.['job'];
    const address = this.#address;
    if (address === null || job === undefined || this.#pods.has(metadata.uid)) return;
    if (this.#server.find('pods', metadata.name)?.metadata.uid !== metadata.uid) return;
    const { containers } = spec as { readonly containers: readonly Container[] };
    const env = new Map(containers[0]?.env?.map(({ name, value }) => [name, value]));
    const node = Number(metadata.labels?.[INDEX]);
    const perNode = Number(env.get('PROSPECT_WORKERS_PER_NODE'));
    const workers = Array.from({ length: perNode }, (_, slot) => {
      const workerId = `worker-${node * perNode + slot}`;
      return new ScriptedWorker(address, env.get('PROSPECT_RUN_ID') ?? '', workerId, this.#scripts[workerId]);
    });
    this.workers.push(...workers);
    this.#pods.set(metadata.uid, workers);
    this.#controller.run(job, node);
    void Promise.all(workers.map(({ exited }) => exited)).then((exits) => {
      if (this.#server.find('pods', metadata.name) === undefined) return;
      this.#controller.end(job, node, Math.max(...exits.map(({ code }) => code ?? 137)));
    });
  }

  #kill({ metadata }: FakeObject): void {
    for (const worker of this.#pods.get(metadata.uid) ?? []) worker.leave({ code: null, signal: 'SIGKILL' });
  }
}
