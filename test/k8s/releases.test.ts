import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readEnvironment, whyNot } from './environment.js';
import type { Release } from './release.js';
import { Trial } from './trial.js';

const environment = readEnvironment(process.env);

describe('releases of a cluster', { skip: whyNot(environment) }, () => {
  const trial = new Trial(environment, { epochs: 20, save_steps: 10 });
  let first: Release;

  before(async () => {
    await trial.prepare();
    const chart = environment.previousChart;
    first = await trial.install({ name: 'first', ...(chart === null ? {} : { chart }) });
  });

  after(() => trial.end('two releases'));

  test('an upgrade in the middle of a run replaces the coordinator, and the run goes on to the same weights', async (t) => {
    const submitted = trial.submit(t, first, '--workers', '2');
    const runId = await submitted.runId();
    await submitted.reaches(5);
    const [coordinator, workers] = [await first.uidOf(first.coordinatorPod), await first.podsOf(runId)];
    // Of every pod, so that also what is made of the workers' template is new.
    await first.upgrade({ commonLabels: { upgraded: 'yes' } });
    assert.notEqual(await first.uidOf(first.coordinatorPod), coordinator);
    assert.equal(submitted.isOver, false, 'it came in the middle');
    assert.deepEqual(await first.podsOf(runId), workers, 'the same pods');
    await trial.requireSameModel(submitted);
  });

  test('two in one namespace do not meet: each trains its own run, at once, to the same weights', async (t) => {
    const second = await trial.install({ name: 'second' });
    const releases = [first, second];
    const runs = releases.map((release) => trial.submit(t, release, '--workers', '2'));
    for (const [index, run] of runs.entries()) {
      const runId = await run.runId();
      await run.reaches(1);
      const release = releases[index]!;
      const own = await release.podsOf(runId);
      assert.equal(own.length, 2);
      assert.deepEqual(await release.podsBehind(`${release.fullName}-workers`), own);
      assert.deepEqual(await release.podsBehind(`${release.fullName}-coordinator`), [
        await release.uidOf(release.coordinatorPod),
      ]);
    }
    for (const run of runs) await trial.requireSameModel(run);
  });
});
