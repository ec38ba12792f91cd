import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from '../integration/prospect.js';
import { writeTinyRun, type RunKeys } from '../support/tiny-run.js';
import { TestCluster } from './cluster.js';
import { trainHere } from './embedded.js';
import type { Environment } from './environment.js';
import { Namespace } from './namespace.js';
import { Release, type ReleaseOptions } from './release.js';
import { Submitted } from './submitted.js';

/** What every file of tests needs: a cluster, a namespace in it, a run, and all of it gone in the end. */
export class Trial {
  readonly cluster: TestCluster;
  namespace!: Namespace;
  readonly #keys: RunKeys;
  readonly #beganMs = Date.now();
  /** Of what is there already, wherever the preparation ended. */
  readonly #cleanUps: (() => void | Promise<void>)[] = [];
  #directory = '';
  runFile = '';
  #expected: Promise<ReadonlyMap<string, string>> | null = null;

  /** @param keys of the run file, beside those of the tiny run */
  constructor(environment: Environment, keys: RunKeys) {
    this.cluster = new TestCluster(environment);
    this.#keys = keys;
  }

  async prepare(): Promise<void> {
    this.#directory = temporaryDirectory({ after: (cleanUp) => this.#cleanUps.unshift(cleanUp) });
    this.runFile = writeTinyRun(this.#directory, { method: 'kto', keys: this.#keys }).file;
    this.namespace = await Namespace.create();
    this.#cleanUps.unshift(() => this.namespace.remove());
  }

  async install(options: ReleaseOptions = {}): Promise<Release> {
    const release = await Release.install(this.namespace, this.cluster.images, options);
    this.#cleanUps.unshift(() => release.remove());
    return release;
  }

  submit(t: TestContext, release: Release, ...flags: readonly string[]): Submitted {
    const submitted = new Submitted(this.runFile, release, ...flags);
    t.after(() => submitted.kill());
    return submitted;
  }

  /** Once it has ended: its model is, bit for bit, what `prospect train` makes of the same file here. */
  async requireSameModel(submitted: Submitted): Promise<void> {
    const made = await submitted.release.hashesIn(await submitted.model());
    this.#expected ??= trainHere(this.runFile, join(this.#directory, 'here'));
    assert.deepEqual([...made].sort(), [...(await this.#expected)].sort());
  }

  async end(what: string): Promise<void> {
    for (const cleanUp of this.#cleanUps) await cleanUp();
    console.log(`${what}: ${((Date.now() - this.#beganMs) / 1000).toFixed(0)} s in all`);
  }
}
