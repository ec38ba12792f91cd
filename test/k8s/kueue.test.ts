import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { temporaryDirectory } from '../integration/prospect.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { TestCluster } from './cluster.js';
import { succeed } from './commands.js';
import { trainHere } from './embedded.js';
import { readEnvironment, whyNot } from './environment.js';
import { Release } from './release.js';
import { Submitted } from './submitted.js';

const environment = readEnvironment(process.env);
const apiVersion = 'kueue.x-k8s.io/v1beta2';
const QUEUE = 'trainers';
const URGENT = 'prospect-test-urgent';

const skip = whyNot(environment) || (environment.tools === null && 'PROSPECT_K8S_TOOLS installs Kueue');

describe('a release whose runs Kueue admits', { skip }, () => {
  const beganMs = Date.now();
  const cleanUps: (() => void | Promise<void>)[] = [];
  let directory: string;
  let release: Release;
  let runFile: string;
  let expected: ReadonlyMap<string, string>;

  before(async () => {
    const cluster = await TestCluster.start(environment);
    cleanUps.unshift(() => cluster.stop());
    directory = temporaryDirectory({ after: (cleanUp) => cleanUps.unshift(cleanUp) });
    const keys = { epochs: 15, save_steps: 10, workers: 1 };
    runFile = writeTinyRun(directory, { method: 'kto', keys }).file;
    expected = await trainHere(runFile, join(directory, 'here'));
    await cluster.installKueue();
    const queueing = { mode: 'kueue', queue: QUEUE };
    release = await Release.install(cluster, { queueing }, (namespace) => apply(queuesOf(namespace)));
    cleanUps.unshift(() => release.remove());
  });

  after(async () => {
    for (const cleanUp of cleanUps) await cleanUp();
    console.log(`with Kueue: ${((Date.now() - beganMs) / 1000).toFixed(0)} s in all`);
  });

  function submit(t: TestContext): Submitted {
    const submitted = new Submitted(runFile, release);
    t.after(() => submitted.kill());
    return submitted;
  }

  async function apply(objects: readonly object[]): Promise<void> {
    const file = join(directory, 'objects.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await succeed('kubectl', 'apply', '-f', file);
  }

  async function requireSameModel(submitted: Submitted): Promise<void> {
    const made = await release.hashesIn(await submitted.model());
    assert.deepEqual([...made].sort(), [...expected].sort());
  }

  test('of two runs where there is quota for one, the second waits, says so, and is admitted', async (t) => {
    const first = submit(t);
    await first.reaches(1);
    const second = submit(t);
    await second.says(/waiting for workers: .*insufficient (?:unused )?quota/);
    assert.doesNotMatch(second.said, /step \d/);
    await requireSameModel(first);
    await requireSameModel(second);
  });

  test('a run that Kueue evicts goes on later, after its last committed step, to the same weights', async (t) => {
    const submitted = submit(t);
    await submitted.reaches(3);
    await apply([urgentJob(release.namespace)]);
    await submitted.says(/waiting for workers: /);
    await requireSameModel(submitted);
    assert.equal(await release.kubectl('get', 'job', URGENT, '-o', 'jsonpath={.status.succeeded}'), '1');
  });
});

/** A quota in which one pod of a run has place. */
function queuesOf(namespace: string): readonly object[] {
  const resources = [
    { name: 'cpu', nominalQuota: '300m' },
    { name: 'memory', nominalQuota: '8Gi' },
  ];
  const group = { coveredResources: ['cpu', 'memory'], flavors: [{ name: QUEUE, resources }] };
  const spec = {
    namespaceSelector: {},
    resourceGroups: [group],
    preemption: { withinClusterQueue: 'LowerPriority' },
  };
  return [
    { apiVersion, kind: 'ResourceFlavor', metadata: { name: QUEUE } },
    { apiVersion, kind: 'ClusterQueue', metadata: { name: QUEUE }, spec },
    { apiVersion, kind: 'LocalQueue', metadata: { name: QUEUE, namespace }, spec: { clusterQueue: QUEUE } },
    { apiVersion, kind: 'WorkloadPriorityClass', metadata: { name: URGENT }, value: 1000 },
  ];
}

/** Somebody else's, which goes before runs and is over soon. */
function urgentJob(namespace: string): object {
  const labels = { 'kueue.x-k8s.io/queue-name': QUEUE, 'kueue.x-k8s.io/priority-class': URGENT };
  const container = {
    name: 'sleep',
    image: 'docker.io/library/busybox:1.35',
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/busybox', 'sleep', '15'],
    resources: { requests: { cpu: '200m', memory: '64Mi' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const securityContext = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } };
  const pod = { restartPolicy: 'Never', securityContext, containers: [container] };
  const spec = { suspend: true, backoffLimit: 0, template: { spec: pod } };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: URGENT, namespace, labels }, spec };
}
