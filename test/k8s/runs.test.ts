import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { prospect } from '../integration/prospect.js';
import { readEnvironment, whyNot } from './environment.js';
import type { Release } from './release.js';
import { Trial } from './trial.js';

const environment = readEnvironment(process.env);

describe('a release on a cluster', { skip: whyNot(environment) }, () => {
  // Long enough to do something to it in the middle.
  const trial = new Trial(environment, { epochs: 30, save_steps: 10, max_restarts: 5 });
  let release: Release;

  before(async () => {
    await trial.prepare();
    release = await trial.install();
  });

  after(() => trial.end('on the cluster'));

  /** Nothing of a run that has ended is left in the cluster. */
  async function requireNothingLeft(): Promise<void> {
    assert.equal(await release.kubectl('get', 'jobs,pods', '-l', 'prospect.dev/run', '-o', 'name'), '');
  }

  test('a run on two nodes comes to the embedded run’s weights, and leaves nothing', async (t) => {
    const submitted = trial.submit(t, release, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(1);
    const nodes = [await release.podOf(runId, 0), await release.podOf(runId, 1)].map(({ node }) => node);
    assert.notEqual(nodes[0], nodes[1], 'one pod a node');
    await trial.requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a worker’s pod is deleted: the run goes on, to the same weights', async (t) => {
    const submitted = trial.submit(t, release, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(5);
    const { name } = await release.podOf(runId, 1);
    await release.kubectl('delete', 'pod', name, '--wait=false');
    await submitted.says(/lost worker-1/);
    await trial.requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('the coordinator’s pod is deleted: the workers’ pods outlive it, and the next one goes on with them', async (t) => {
    const submitted = trial.submit(t, release, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(5);
    const [coordinator, workers] = [await release.uidOf(release.coordinatorPod), await release.podsOf(runId)];
    await release.kubectl('delete', 'pod', release.coordinatorPod);
    await release.kubectl('rollout', 'status', `statefulset/${release.fullName}-coordinator`);
    await submitted.reaches(submitted.step + 1);
    assert.notEqual(await release.uidOf(release.coordinatorPod), coordinator);
    assert.deepEqual(await release.podsOf(runId), workers, 'the same pods');
    await trial.requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a run is resized from one node to two, to the same weights', async (t) => {
    const submitted = trial.submit(t, release, '--workers', '1');
    const runId = await submitted.runId();
    await submitted.reaches(3);
    const { code, stderr } = await prospect(['resize', runId, '--workers', '2', ...release.flags]);
    assert.equal(code, 0, stderr);
    await submitted.says(/worker-1 joined: 2 workers go on/);
    await trial.requireSameModel(submitted);
    await requireNothingLeft();
  });

  test('a node dies: the run shrinks and goes on, to the same weights', async (t) => {
    if (!trial.cluster.canKillNodes) {
      t.skip('PROSPECT_K8S_TOOLS is not set: nodes cannot be killed');
      return;
    }
    const submitted = trial.submit(t, release, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(3);
    const coordinatorsNode = await release.nodeOf(release.coordinatorPod);
    const pods = [await release.podOf(runId, 0), await release.podOf(runId, 1)];
    const victim = pods.find(({ node }) => node !== coordinatorsNode)?.node ?? assert.fail('no other node');
    await trial.cluster.killNode(victim);
    t.after(() => trial.cluster.startNode(victim));
    await submitted.says(/lost worker-\d .*: 1 worker goes on/);
    await trial.requireSameModel(submitted);
  });
});
