import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  makeJob,
  readSize,
  resizePatch,
  type JobSpec,
} from '../../../../../coordinator/launch/kubernetes/job.js';
import { jobSchema, read } from '../../../../../coordinator/launch/kubernetes/objects.js';
import { run, settings, template } from './fixtures.js';

const owner = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  name: 'demo-prospect-coordinator',
  uid: 'owner-uid',
};

interface MadeContainer {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: {
    readonly requests: Record<string, unknown>;
    readonly limits: Record<string, unknown>;
  };
}

interface MadeJob {
  readonly metadata: {
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly ownerReferences: readonly object[];
  };
  readonly spec: Record<string, unknown> & {
    readonly podFailurePolicy: { readonly rules: readonly unknown[] };
    readonly template: {
      readonly metadata: {
        readonly labels: Record<string, string>;
        readonly annotations: Record<string, string>;
      };
      readonly spec: Record<string, unknown> & {
        readonly containers: readonly MadeContainer[];
        readonly initContainers: readonly MadeContainer[];
      };
    };
  };
}

function make(changes: Partial<JobSpec> = {}): MadeJob {
  const size = { workers: 5, workersPerNode: 2 };
  const spec = { run, template: template('gpu'), owner, node: settings, queueing: settings.queueing, size };
  return makeJob({ ...spec, ...changes }) as MadeJob;
}

test('a run is an Indexed Job with a pod a node, which the coordinator’s StatefulSet owns', () => {
  const { metadata, spec } = make();
  assert.equal(metadata.name, 'prospect-run-1');
  assert.equal(metadata.labels['prospect.dev/run'], 'run-1');
  assert.equal(metadata.labels['app.kubernetes.io/instance'], 'demo');
  assert.deepEqual(metadata.ownerReferences, [{ ...owner, controller: false, blockOwnerDeletion: false }]);
  const { completionMode, completions, parallelism, podReplacementPolicy } = spec;
  assert.deepEqual(
    { completionMode, completions, parallelism, podReplacementPolicy },
    { completionMode: 'Indexed', completions: 3, parallelism: 3, podReplacementPolicy: 'Failed' },
  );
  assert.equal(spec['suspend'], undefined);
});

test('a node may fail as often as a worker, and as many as the run can do without', () => {
  const { spec } = make({ run: { ...run, minWorkers: 3, maxRestarts: 7 } });
  assert.equal(spec['backoffLimitPerIndex'], 7);
  assert.equal(spec['maxFailedIndexes'], 1);
  assert.deepEqual(spec.podFailurePolicy.rules[0], {
    action: 'FailJob',
    onExitCodes: { containerName: 'supervisor', operator: 'In', values: [2] },
  });
  assert.deepEqual(spec.podFailurePolicy.rules[1], {
    action: 'Ignore',
    onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }],
  });
});

test('its pods say which run they are of, and no node has two of them', () => {
  const { metadata, spec } = make().spec.template;
  assert.equal(metadata.labels['prospect.dev/run'], 'run-1');
  assert.equal(metadata.labels['app.kubernetes.io/component'], 'worker');
  assert.deepEqual(spec['affinity'], {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          labelSelector: { matchLabels: { 'prospect.dev/run': 'run-1' } },
          topologyKey: 'kubernetes.io/hostname',
        },
      ],
    },
  });
});

test('an admin’s affinity stays', () => {
  const given = template('gpu');
  const nodeAffinity = { anything: true };
  const mine = { topologyKey: 'rack' };
  const affinity = {
    nodeAffinity,
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [mine] },
  };
  const { spec } = make({ template: { ...given, spec: { ...given.spec, affinity } } }).spec.template;
  const made = spec['affinity'] as typeof affinity;
  assert.deepEqual(made.nodeAffinity, nodeAffinity);
  assert.equal(made.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.length, 2);
  assert.deepEqual(made.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0], mine);
});

test('containers are told of the run before anything else, and get the GPUs that it has use for', () => {
  const { containers, initContainers } = make().spec.template.spec;
  const [supervisor, replica] = [containers[0]!, initContainers[0]!];
  for (const { env } of [supervisor, replica]) {
    assert.deepEqual(env.slice(0, 3), [
      { name: 'PROSPECT_RUN_ID', value: 'run-1' },
      { name: 'PROSPECT_WORKERS_PER_NODE', value: '2' },
      { name: 'PROSPECT_THREADS', value: '4' },
    ]);
    assert.ok(env.some(({ name }) => name === 'PROSPECT_LOG_LEVEL'));
  }
  for (const of of ['requests', 'limits'] as const) {
    assert.equal(supervisor.resources[of]['nvidia.com/gpu'], 2);
    assert.equal(replica.resources[of]['nvidia.com/gpu'], 1);
    assert.ok(supervisor.resources[of]['memory'] !== undefined, 'what the admin set stays');
  }
});

test('a run that compares with nothing has no replica', () => {
  const { spec } = make({ run: { ...run, needsReference: false } }).spec.template;
  assert.deepEqual(spec.initContainers, []);
});

test('on CPUs nobody asks for GPUs', () => {
  const node = { ...settings, gpusPerNode: 0 };
  const { spec } = make({ template: template('cpu'), node }).spec.template;
  assert.doesNotMatch(JSON.stringify(spec), /nvidia/);
});

test('Kueue finds its label on a Job that is suspended', () => {
  const { metadata, spec } = make({ queueing: { mode: 'kueue', queue: 'trainers' } });
  assert.equal(metadata.labels['kueue.x-k8s.io/queue-name'], 'trainers');
  assert.equal(spec['suspend'], true);
});

test('Volcano finds the pods’ group, and is their scheduler', () => {
  const { metadata, spec } = make({ queueing: { mode: 'volcano', queue: 'trainers' } }).spec.template;
  assert.equal(metadata.annotations['scheduling.k8s.io/group-name'], 'prospect-run-1');
  assert.equal(spec['schedulerName'], 'volcano');
});

test('a resize changes the number of pods, and what the Job says of itself', () => {
  const made = make();
  const patch = resizePatch({ workers: 2, workersPerNode: 2 }, run);
  assert.deepEqual(patch, {
    metadata: { annotations: { 'prospect.dev/workers': '2', 'prospect.dev/workers-per-node': '2' } },
    spec: { parallelism: 1, completions: 1, maxFailedIndexes: 0 },
  });
  const metadata = { ...made.metadata, uid: 'uid', resourceVersion: '1' };
  assert.deepEqual(readSize(read(jobSchema, { ...made, metadata })), { workers: 5, workersPerNode: 2 });
  assert.equal(readSize(read(jobSchema, { ...made, metadata: { ...metadata, annotations: {} } })), null);
});
