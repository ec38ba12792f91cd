import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packagePath } from '../../lib/package.js';
import type { Images, TestCluster } from './cluster.js';
import { succeed } from './commands.js';

export type Values = Readonly<Record<string, unknown>>;

const RELEASE = 'demo';

/** The chart, installed in a namespace of its own. */
export class Release {
  readonly namespace: string;

  private constructor(namespace: string) {
    this.namespace = namespace;
  }

  /** @param values beside those that make the release small enough for one machine */
  static async install(
    cluster: TestCluster,
    values: Values = {},
    prepare: (namespace: string) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<Release> {
    const release = new Release(`prospect-test-${randomBytes(3).toString('hex')}`);
    await succeed('kubectl', 'create', 'namespace', release.namespace);
    // What the chart promises of its pods.
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await succeed('kubectl', 'label', 'namespace', release.namespace, level);
    await prepare(release.namespace);
    await release.#install({ ...smallValues(cluster.images), ...values });
    return release;
  }

  /** What names it on Prospect's command line. */
  get flags(): readonly string[] {
    return ['--release', RELEASE, '--namespace', this.namespace];
  }

  get coordinatorPod(): string {
    return `${RELEASE}-prospect-coordinator-0`;
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return succeed('kubectl', '--namespace', this.namespace, ...args);
  }

  /** A node's pod of a run: its name, and where it runs. */
  async podOf(runId: string, index: number): Promise<{ readonly name: string; readonly node: string }> {
    const selector = `prospect.dev/run=${runId},batch.kubernetes.io/job-completion-index=${index}`;
    const columns = 'custom-columns=NAME:.metadata.name,NODE:.spec.nodeName';
    const text = await this.kubectl('get', 'pods', '-l', selector, '--no-headers', '-o', columns);
    const [name = '', node = ''] = text.trim().split(/\s+/);
    return { name, node };
  }

  async nodeOf(pod: string): Promise<string> {
    return (await this.kubectl('get', 'pod', pod, '-o', 'jsonpath={.spec.nodeName}')).trim();
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
    await succeed('helm', 'uninstall', RELEASE, '--namespace', this.namespace, '--wait');
    await succeed('kubectl', 'delete', 'namespace', this.namespace);
  }

  async #install(values: Values): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'prospect-values-'));
    const file = join(directory, 'values.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(values));
    const flags = ['--namespace', this.namespace, '--values', file, '--wait', '--timeout', '180s'];
    try {
      await succeed('helm', 'install', RELEASE, packagePath('charts/prospect'), ...flags);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
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
    tls: { mode: 'none' },
  };
}
