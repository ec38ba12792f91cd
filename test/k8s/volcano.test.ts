import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { prospect } from '../integration/prospect.js';
import { succeed } from './commands.js';
import { readEnvironment, whyNot } from './environment.js';
import type { Release } from './release.js';
import { Trial } from './trial.js';

const environment = readEnvironment(process.env);
const QUEUE = 'trainers';

/** What Volcano calls a PodGroup: the API server refuses what does not fit it. */
const definition = join(environment.tools ?? '', 'manifests/volcano-podgroup.yaml');
const skip =
  whyNot(environment) || (!existsSync(definition) && 'PROSPECT_K8S_TOOLS has no PodGroup of Volcano');

const groupSchema = z.object({
  metadata: z.object({ ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })) }),
  spec: z.object({ minMember: z.int(), queue: z.string() }),
});

const podsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
      spec: z.object({ schedulerName: z.string() }),
    }),
  ),
});

describe('a release whose runs Volcano is to schedule', { skip }, () => {
  const trial = new Trial(environment, { epochs: 1 });
  let release: Release;

  before(async () => {
    await trial.prepare();
    await succeed('kubectl', 'apply', '-f', definition);
    await succeed('kubectl', 'wait', '--for=condition=Established', 'crd/podgroups.scheduling.volcano.sh');
    release = await trial.install({ values: { queueing: { mode: 'volcano', queue: QUEUE } } });
  });

  after(() => trial.end('with Volcano’s PodGroup'));

  // Nobody schedules: Volcano itself is not there.
  test('a run has a PodGroup that the API server takes, its pods name it, and both go with the run', async (t) => {
    const submitted = trial.submit(t, release, '--workers', '2');
    const name = `prospect-${await submitted.runId()}`;
    await release.kubectl('wait', '--for=create', `podgroup/${name}`, '--timeout=60s');
    const group = groupSchema.parse(JSON.parse(await release.kubectl('get', 'podgroup', name, '-o', 'json')));
    assert.deepEqual(group.spec, { minMember: 2, queue: QUEUE });
    assert.deepEqual(group.metadata.ownerReferences, [{ kind: 'Job', name }]);
    await release.kubectl('wait', '--for=create', 'pods', '-l', 'prospect.dev/run', '--timeout=60s');
    const pods = podsSchema.parse(
      JSON.parse(await release.kubectl('get', 'pods', '-l', 'prospect.dev/run', '-o', 'json')),
    );
    for (const { metadata, spec } of pods.items) {
      assert.equal(metadata.annotations['scheduling.k8s.io/group-name'], name);
      assert.equal(spec.schedulerName, 'volcano');
    }
    const { code, stderr } = await prospect(['cancel', await submitted.runId(), ...release.flags]);
    assert.equal(code, 0, stderr);
    await submitted.end();
    await release.kubectl('wait', '--for=delete', `podgroup/${name}`, '--timeout=60s');
  });
});
