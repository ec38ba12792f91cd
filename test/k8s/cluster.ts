import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { packagePath } from '../../lib/package.js';
import { succeed } from './commands.js';
import { toolOf, type Environment } from './environment.js';

/** Built here, where no other tag is given. */
const TAG = 'k8s-test';

export interface Images {
  readonly coordinator: string;
  readonly worker: string;
  readonly tag: string;
}

/**
 * A cluster that has the images: the one that KUBECONFIG names, or one that is started here, whose programs come to the
 * PATH of this process.
 */
export class TestCluster {
  readonly images: Images;
  readonly #environment: Environment;

  private constructor(environment: Environment) {
    this.#environment = environment;
    const { imagePrefix: prefix, imageTag } = environment;
    this.images = {
      coordinator: `${prefix}prospect-coordinator`,
      worker: `${prefix}prospect-worker`,
      tag: imageTag ?? TAG,
    };
  }

  static async start(environment: Environment): Promise<TestCluster> {
    const cluster = new TestCluster(environment);
    if (environment.kubeconfig === null) {
      await succeed(toolOf(environment, 'cluster'), 'up');
      await useCluster(environment);
    }
    if (environment.imageTag === null) await cluster.#buildImages();
    return cluster;
  }

  /** Whether nodes can be killed. */
  get canKillNodes(): boolean {
    return this.#environment.tools !== null;
  }

  /** A power cut. */
  async killNode(name: string): Promise<void> {
    await succeed(toolOf(this.#environment, 'cluster'), 'node-kill', name);
  }

  async startNode(name: string): Promise<void> {
    await succeed(toolOf(this.#environment, 'cluster'), 'node-start', name);
    await succeed('kubectl', 'wait', '--for=condition=Ready', `node/${name}`, '--timeout=120s');
  }

  async installKueue(): Promise<void> {
    await succeed(toolOf(this.#environment, 'cluster'), 'kueue');
  }

  async stop(): Promise<void> {
    if (this.#environment.kubeconfig === null) await succeed(toolOf(this.#environment, 'cluster'), 'down');
  }

  async #buildImages(): Promise<void> {
    const { coordinator, worker, tag } = this.images;
    await this.#build(`${coordinator}:${tag}`, '-f', 'deploy/images/coordinator.Dockerfile');
    await this.#build(`${worker}:${tag}`, '-f', 'deploy/images/worker.Dockerfile', '--target', 'cpu');
  }

  async #build(image: string, ...flags: readonly string[]): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'prospect-image-'));
    const archive = join(directory, 'image.tar');
    const [build, load] = [toolOf(this.#environment, 'image'), toolOf(this.#environment, 'cluster')];
    try {
      await succeed(build, 'build', image, packagePath(''), ...flags);
      await succeed(build, 'save', image, archive);
      await succeed(load, 'load', archive);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
}

/** Takes over what the tool's `env` prints: `export NAME=VALUE` lines for KUBECONFIG and PATH. */
async function useCluster(environment: Environment): Promise<void> {
  const folder = (await succeed(toolOf(environment, 'cluster'), 'tools')).trim();
  const lines = await succeed(toolOf(environment, 'cluster'), 'env');
  const kubeconfig = /^export KUBECONFIG=(.+)$/m.exec(lines)?.[1];
  if (kubeconfig === undefined) throw new Error(`the cluster's env names no KUBECONFIG:\n${lines}`);
  process.env['KUBECONFIG'] = kubeconfig;
  process.env['PATH'] = `${folder}${delimiter}${process.env['PATH'] ?? ''}`;
}
