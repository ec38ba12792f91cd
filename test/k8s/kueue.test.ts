import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readEnvironment, whyNot } from './environment.js';
import type { Release } from './release.js';
import { Trial } from './trial.js';

const environment = readEnvironment(process.env);
const apiVersion = 'kueue.x-k8s.io/v1beta2';
const QUEUE = 'trainers';
const URGENT = 'prospect-test-urgent';

const skip = whyNot(environment) || (environment.tools === null && 'PROSPECT_K8S_TOOLS installs Kueue');

describe('a release whose runs Kueue admits', { skip }, () => {
  /** Long enough that the second run is told to wait while the first one trains. */
  const trial = new Trial(environment, { epochs: 60, save_steps: 40, workers: 1 });
  let release: Release;

  before(async () => {
    await trial.prepare();
    await trial.cluster.installKueue();
    await trial.namespace.apply(...queues());
    release = await trial.install({ values: { queueing: { mode: 'kueue', queue: QUEUE } } });
  });

  after(() => trial.end('with Kueue'));

  test('of two runs where there is quota for one, the second waits, says so, and is admitted', async (t) => {
    const first = trial.submit(t, release);
    await first.reaches(1);
    const second = trial.submit(t, release);
    await second.says(/waiting for workers: .*insufficient (?:unused )?quota/);
    assert.doesNotMatch(second.said, /step \d/);
    await trial.requireSameModel(first);
    await trial.requireSameModel(second);
  });

  test('a run that Kueue evicts goes on later, after its last committed step, to the same weights', async (t) => {
    const submitted = trial.submit(t, release);
    await submitted.reaches(3);
    await trial.namespace.apply(urgentJob());
    await submitted.says(/waiting for workers: /);
    const evicted = submitted.step;
    await trial.requireSameModel(submitted);
    const { steps } = submitted;
    assert.ok(steps.indexOf(evicted) < steps.length - 1, 'it was in the middle');
    const ascending = [...new Set(steps)].sort((a, b) => a - b);
    assert.deepEqual(steps, ascending, 'no step is taken again');
    assert.equal(await release.kubectl('get', 'job', URGENT, '-o', 'jsonpath={.status.succeeded}'), '1');
  });
});

/** A quota in which one pod of a run has place. */
function queues(): readonly object[] {
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
    { apiVersion, kind: 'LocalQueue', metadata: { name: QUEUE }, spec: { clusterQueue: QUEUE } },
    { apiVersion, kind: 'WorkloadPriorityClass', metadata: { name: URGENT }, value: 1000 },
  ];
}

/** Somebody else's, which goes before runs and is over soon. */
function urgentJob(): object {
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
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: URGENT, labels }, spec };
}
