import { packagePath } from '../../lib/package.js';
import type { Images } from './environment.js';
import { succeed } from './commands.js';
import { withJsonFile, type Namespace } from './namespace.js';

export type Values = Readonly<Record<string, unknown>>;

export interface ReleaseOptions {
  /** What Helm calls it. */
  readonly name?: string;
  /** Beside those that make the release small enough for one machine. */
  readonly values?: Values;
  /** The folder of another version of the chart. */
  readonly chart?: string;
}

interface Placed {
  readonly name: string;
  readonly node: string;
}

/** The chart, installed as a user does it: all parts speak mutual TLS. */
export class Release {
  readonly name: string;
  readonly namespace: Namespace;
  readonly #images: Images;

  private constructor(name: string, namespace: Namespace, images: Images) {
    this.name = name;
    this.namespace = namespace;
    this.#images = images;
  }

  static async install(
    namespace: Namespace,
    images: Images,
    { name = 'demo', values = {}, chart }: ReleaseOptions = {},
  ): Promise<Release> {
    const release = new Release(name, namespace, images);
    await release.#helm('install', values, chart);
    return release;
  }

  /** To this version of the chart, and to these values in place of those that it was installed with. */
  async upgrade(values: Values = {}): Promise<void> {
    await this.#helm('upgrade', values);
  }

  /** What names it on Prospect's command line. */
  get flags(): readonly string[] {
    return ['--release', this.name, '--namespace', this.namespace.name];
  }

  /** What the chart calls its objects after. */
  get fullName(): string {
    return `${this.name}-prospect`;
  }

  get coordinatorPod(): string {
    return `${this.fullName}-coordinator-0`;
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.namespace.kubectl(...args);
  }

  /** A node's pod of a run, and where it runs. */
  async podOf(runId: string, index: number): Promise<Placed> {
    const selector = `prospect.dev/run=${runId},batch.kubernetes.io/job-completion-index=${index}`;
    const columns = 'custom-columns=NAME:.metadata.name,NODE:.spec.nodeName';
    const text = await this.kubectl('get', 'pods', '-l', selector, '--no-headers', '-o', columns);
    const [name = '', node = ''] = text.trim().split(/\s+/);
    return { name, node };
  }

  /** Which pods a run has, and not merely what they are called. */
  async podsOf(runId: string): Promise<readonly string[]> {
    const path = 'jsonpath={.items[*].metadata.uid}';
    return wordsIn(await this.kubectl('get', 'pods', '-l', `prospect.dev/run=${runId}`, '-o', path));
  }

  /** Which pods a Service leads to. */
  async podsBehind(service: string): Promise<readonly string[]> {
    const selector = `kubernetes.io/service-name=${service}`;
    const path = 'jsonpath={.items[*].endpoints[*].targetRef.uid}';
    return wordsIn(await this.kubectl('get', 'endpointslices', '-l', selector, '-o', path));
  }

  async nodeOf(pod: string): Promise<string> {
    return (await this.kubectl('get', 'pod', pod, '-o', 'jsonpath={.spec.nodeName}')).trim();
  }

  async uidOf(pod: string): Promise<string> {
    return (await this.kubectl('get', 'pod', pod, '-o', 'jsonpath={.metadata.uid}')).trim();
  }

  /** SHA-256 by name, of the files in a directory of the shared volume. */
  async hashesIn(directory: string): Promise<ReadonlyMap<string, string>> {
    const script = 'cd "$1" && sha256sum -- *';
    const text = await this.kubectl('exec', this.coordinatorPod, '--', 'sh', '-c', script, 'sh', directory);
    return new Map(
      text
        .trim()
        .split('\n')
        .map((line) => [line.slice(66), line.slice(0, 64)] as const),
    );
  }

  async remove(): Promise<void> {
    await succeed('helm', 'uninstall', this.name, '--namespace', this.namespace.name, '--wait');
  }

  async #helm(
    command: 'install' | 'upgrade',
    values: Values,
    chart = packagePath('charts/prospect'),
  ): Promise<void> {
    const place = ['--namespace', this.namespace.name, '--wait', '--timeout', '180s'];
    await withJsonFile({ ...smallValues(this.#images), ...values }, (file) =>
      succeed('helm', command, this.name, chart, ...place, '--values', file),
    );
  }
}

/** Sorted. */
function wordsIn(text: string): readonly string[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .sort();
}

function smallValues({ coordinator, worker, tag }: Images): Values {
  const resources = { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '2Gi' } };
  return {
    images: { coordinator: { repository: coordinator, tag }, worker: { repository: worker, tag } },
    coordinator: { resources, journal: { size: '1Gi' } },
    sharedStorage: { size: '1Gi' },
    workers: {
      gpusPerNode: 0,
      resources,
      reference: { mode: 'shared', resources },
      cacheSize: '1Gi',
      sharedMemorySize: '256Mi',
      terminationGracePeriodSeconds: 30,
    },
  };
}
