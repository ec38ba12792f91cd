import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podSchema, read, type Pod } from '../../../../../coordinator/launch/kubernetes/objects.js';
import {
  endOf,
  holdUpOf,
  isRunning,
  nodeIndexOf,
} from '../../../../../coordinator/launch/kubernetes/pod-state.js';
import { PodWatch } from '../../../../../coordinator/launch/kubernetes/pod-watch.js';

function pod(status: object, { uid = 'uid', index = 1 } = {}): Pod {
  const labels = { 'batch.kubernetes.io/job-completion-index': String(index) };
  const metadata = { name: `pod-${uid}`, uid, resourceVersion: '1', labels };
  return read(podSchema, { metadata, spec: { nodeName: 'node-7' }, status });
}

const supervisor = (state: object) => ({ containerStatuses: [{ name: 'supervisor', state }] });
const running = { phase: 'Running', ...supervisor({ running: {} }) };
const terminated = (exitCode: number, more: object = {}) => ({
  phase: 'Running',
  ...supervisor({ terminated: { exitCode, ...more } }),
});

test('a pod runs from its supervisor’s start to its end, whatever its sidecar does', () => {
  assert.equal(nodeIndexOf(pod(running)), 1);
  assert.ok(!isRunning(pod({ phase: 'Pending' })));
  assert.ok(isRunning(pod(running)));
  assert.equal(endOf(pod(running)), null);
  assert.ok(!isRunning(pod(terminated(1))));
});

test('how it ended: the exit code, a signal where it was one, and the last words', () => {
  const log = '{"level":30,"msg":"joined"}\n{"level":50,"msg":"cannot read the model"}\n';
  assert.deepEqual(endOf(pod(terminated(2, { message: log }))), {
    code: 2,
    signal: null,
    lastWords: 'pod pod-uid on node-7: cannot read the model',
  });
  assert.deepEqual(endOf(pod(terminated(143))), {
    code: null,
    signal: 'SIGTERM',
    lastWords: 'pod pod-uid on node-7',
  });
  assert.deepEqual(endOf(pod(terminated(137, { reason: 'OOMKilled' }))), {
    code: null,
    signal: 'SIGKILL',
    lastWords: 'pod pod-uid on node-7: out of memory',
  });
  const conditions = [{ type: 'DisruptionTarget', status: 'True', message: 'preempted by another pod' }];
  assert.match(
    endOf(pod({ ...terminated(137), conditions }))?.lastWords ?? '',
    /: preempted by another pod$/,
  );
  const evicted = endOf(pod({ phase: 'Failed', message: 'The node was low on resource: memory.' }));
  assert.deepEqual([evicted?.code, evicted?.signal], [null, null]);
  assert.match(evicted?.lastWords ?? '', /: The node was low on resource: memory\.$/);
});

test('what holds a pod up: no node that fits, an image that is not there; to be slow is nothing', () => {
  const message = '0/2 nodes are available: 2 Insufficient nvidia.com/gpu.';
  assert.equal(
    holdUpOf(pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] })),
    message,
  );
  const waiting = (reason: string) => ({
    phase: 'Pending',
    ...supervisor({ waiting: { reason, message: 'why' } }),
  });
  for (const reason of [
    'ErrImagePull',
    'ImagePullBackOff',
    'InvalidImageName',
    'CreateContainerConfigError',
  ]) {
    assert.equal(holdUpOf(pod(waiting(reason))), 'why', reason);
  }
  for (const reason of ['ContainerCreating', 'PodInitializing'])
    assert.equal(holdUpOf(pod(waiting(reason))), null);
});

test('each start and each end is told once; a pod that vanishes has ended', () => {
  const watch = new PodWatch();
  assert.deepEqual(watch.look([pod({ phase: 'Pending' })]), []);
  assert.deepEqual(watch.look([pod(running)]), [{ kind: 'running', node: 1 }]);
  assert.deepEqual(watch.look([pod(running)]), []);
  const [news] = watch.look([pod(terminated(1))]);
  assert.deepEqual([news?.kind, news?.node], ['ended', 1]);
  assert.deepEqual(watch.look([pod(terminated(1))]), []);
  assert.deepEqual(watch.look([]), []);
  watch.look([pod(running, { uid: 'other' })]);
  assert.deepEqual(
    watch.look([]).map(({ kind }) => kind),
    ['ended'],
  );
  watch.look([pod({ phase: 'Pending' }, { uid: 'never ran' })]);
  assert.deepEqual(watch.look([]), []);
});

test('an end that is heard of late is no news of the pod that came after', () => {
  const watch = new PodWatch();
  watch.look([pod(running, { uid: 'first' })]);
  const news = watch.look([pod(terminated(1), { uid: 'first' }), pod(running, { uid: 'second' })]);
  assert.deepEqual(
    news.map(({ kind }) => kind),
    ['running'],
  );
});
