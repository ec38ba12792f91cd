import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { succeed } from './commands.js';

/** A namespace of a test's own, with the Pod Security that the chart promises of its pods. */
export class Namespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(): Promise<Namespace> {
    const namespace = new Namespace(`prospect-test-${randomBytes(3).toString('hex')}`);
    await succeed('kubectl', 'create', 'namespace', namespace.name);
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await succeed('kubectl', 'label', 'namespace', namespace.name, level);
    return namespace;
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return succeed('kubectl', '--namespace', this.name, ...args);
  }

  /** Objects that name no namespace, and are of one, come into this. */
  async apply(...objects: readonly object[]): Promise<void> {
    await withJsonFile({ apiVersion: 'v1', kind: 'List', items: objects }, (file) =>
      this.kubectl('apply', '-f', file),
    );
  }

  async remove(): Promise<void> {
    await succeed('kubectl', 'delete', 'namespace', this.name);
  }
}

/** A file for as long as `body` takes. JSON is YAML. */
export async function withJsonFile<T>(content: unknown, body: (file: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-objects-'));
  const file = join(directory, 'objects.json');
  writeFileSync(file, JSON.stringify(content));
  try {
    return await body(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
