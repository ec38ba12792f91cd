import { succeed } from './commands.js';
import { imagesOf, toolOf, type Environment, type Images } from './environment.js';

/** The cluster that KUBECONFIG names, and what the tools can do to it. */
export class TestCluster {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  get images(): Images {
    return imagesOf(this.#environment);
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
}
