import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { packagePath } from '../../lib/package.js';
import { succeed } from './commands.js';
import { imagesOf, toolOf, type Environment } from './environment.js';

/** Of images that are built here. */
const TAG = 'k8s-test';

/** What the tests are to be told, so that they find a cluster and its images. */
export type ClusterVariables = Readonly<Record<string, string>>;

/** What is missing of a cluster with the images of this code, by the tools: for all files of tests, and gone after them. */
export class OwnCluster {
  readonly variables: ClusterVariables;
  readonly #environment: Environment;

  private constructor(environment: Environment, variables: ClusterVariables) {
    this.#environment = environment;
    this.variables = variables;
  }

  static async start(environment: Environment): Promise<OwnCluster> {
    const isOwn = environment.kubeconfig === null;
    if (isOwn) await succeed(toolOf(environment, 'cluster'), 'up');
    const cluster = new OwnCluster(environment, {
      ...(isOwn ? await variablesOf(environment) : {}),
      PROSPECT_K8S_IMAGE_TAG: environment.imageTag ?? TAG,
    });
    try {
      if (environment.imageTag === null) await cluster.#buildImages();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Gives volumes back that nobody claims any more. */
  async tidyUp(): Promise<void> {
    if (this.#environment.kubeconfig === null) await succeed(toolOf(this.#environment, 'cluster'), 'up');
  }

  async stop(): Promise<void> {
    if (this.#environment.kubeconfig === null) await succeed(toolOf(this.#environment, 'cluster'), 'down');
  }

  async #buildImages(): Promise<void> {
    const { coordinator, worker, tag } = imagesOf({ ...this.#environment, imageTag: TAG });
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

/** From what the tool's `env` prints: `export NAME=VALUE` lines for KUBECONFIG and PATH. */
async function variablesOf(environment: Environment): Promise<ClusterVariables> {
  const folder = (await succeed(toolOf(environment, 'cluster'), 'tools')).trim();
  const lines = await succeed(toolOf(environment, 'cluster'), 'env');
  const kubeconfig = /^export KUBECONFIG=(.+)$/m.exec(lines)?.[1];
  if (kubeconfig === undefined) throw new Error(`the cluster's env names no KUBECONFIG:\n${lines}`);
  return { KUBECONFIG: kubeconfig, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` };
}
