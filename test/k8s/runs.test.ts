import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { prospect, temporaryDirectory } from '../integration/prospect.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { TestCluster } from './cluster.js';
import { trainHere } from './embedded.js';
import { readEnvironment, whyNot } from './environment.js';
import { Release } from './release.js';
import { Submitted } from './submitted.js';

const environment = readEnvironment(process.env);

describe('a release on a cluster', { skip: whyNot(environment) }, () => {
  const beganMs = Date.now();
  let cluster: TestCluster;
  let release: Release;
  let runFile: string;
  /** Of the model that `prospect train` makes of the same file here. */
  let expected: ReadonlyMap<string, string>;
  /** Of what is there already, wherever the preparation ended. */
  const cleanUps: (() => void | Promise<void>)[] = [];

  before(async () => {
    cluster = await TestCluster.start(environment);
    cleanUps.unshift(() => cluster.stop());
    const directory = temporaryDirectory({ after: (cleanUp) => cleanUps.unshift(cleanUp) });
    // Long enough to do something to it in the middle.
    const keys = { epochs: 30, save_steps: 10, max_restarts: 5 };
    runFile = writeTinyRun(directory, { method: 'kto', keys }).file;
    expected = await trainHere(runFile, join(directory, 'here'));
    release = await Release.install(cluster);
    cleanUps.unshift(() => release.remove());
  });

  after(async () => {
    for (const cleanUp of cleanUps) await cleanUp();
    console.log(`on the cluster: ${((Date.now() - beganMs) / 1000).toFixed(0)} s in all`);
  });

  function submit(t: TestContext, ...flags: readonly string[]): Submitted {
    const submitted = new Submitted(runFile, release, ...flags);
    t.after(() => submitted.kill());
    return submitted;
  }

  async function requireSameModel(submitted: Submitted): Promise<void> {
    const made = await release.hashesIn(await submitted.model());
    assert.deepEqual([...made].sort(), [...expected].sort());
  }

  /** Nothing of a run that has ended is left in the cluster. */
  async function requireNothingLeft(): Promise<void> {
    assert.equal(await release.kubectl('get', 'jobs,pods', '-l', 'prospect.dev/run', '-o', 'name'), '');
  }

  test('a run on two nodes comes to the embedded run’s weights, and leaves nothing', async (t) => {
    const submitted = submit(t, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(1);
    const nodes = [await release.podOf(runId, 0), await release.podOf(runId, 1)].map(({ node }) => node);
    assert.notEqual(nodes[0], nodes[1], 'one pod a node');
    await requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a worker’s pod is deleted: the run goes on, to the same weights', async (t) => {
    const submitted = submit(t, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(5);
    const { name } = await release.podOf(runId, 1);
    await release.kubectl('delete', 'pod', name, '--wait=false');
    await submitted.says(/lost worker-1/);
    await requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('the coordinator’s pod is deleted: the next one goes on, to the same weights', async (t) => {
    const submitted = submit(t, '--workers', '2');
    await submitted.reaches(5);
    await release.kubectl('delete', 'pod', release.coordinatorPod);
    await requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a run is resized from one node to two, to the same weights', async (t) => {
    const submitted = submit(t, '--workers', '1');
    const runId = await submitted.runId();
    await submitted.reaches(3);
    const { code, stderr } = await prospect(['resize', runId, '--workers', '2', ...release.flags]);
    assert.equal(code, 0, stderr);
    await submitted.says(/worker-1 joined: 2 workers go on/);
    await requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a node dies: the run shrinks and goes on, to the same weights', async (t) => {
    if (!cluster.canKillNodes) {
      t.skip('PROSPECT_K8S_TOOLS is not set: nodes cannot be killed');
      return;
    }
    const submitted = submit(t, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(3);
    const coordinatorsNode = await release.nodeOf(release.coordinatorPod);
    const pods = [await release.podOf(runId, 0), await release.podOf(runId, 1)];
    const victim = pods.find(({ node }) => node !== coordinatorsNode)?.node ?? assert.fail('no other node');
    await cluster.killNode(victim);
    t.after(() => cluster.startNode(victim));
    await submitted.says(/lost worker-\d .*: 1 worker goes on/);
    await requireSameModel(submitted);
  });
});
