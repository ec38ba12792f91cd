import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexesIn } from '../../../../../coordinator/launch/kubernetes/indexes.js';
import {
  nodeOf,
  nodesFor,
  replicaGpus,
  workersOn,
  workersPerNode,
} from '../../../../../coordinator/launch/kubernetes/places.js';
import { ConfigError } from '../../../../../lib/errors.js';

const dedicated = { gpusPerNode: 8, referenceMode: 'dedicated' } as const;

test('a worker has a GPU to itself, and so has a replica that is wanted; CPU nodes have one worker each', () => {
  assert.equal(workersPerNode(dedicated, true, 20), 7);
  assert.equal(replicaGpus(dedicated, true), 1);
  assert.equal(workersPerNode(dedicated, false, 20), 8);
  assert.equal(replicaGpus(dedicated, false), 0);
  assert.equal(workersPerNode({ ...dedicated, referenceMode: 'shared' }, true, 20), 8);
  assert.equal(workersPerNode({ ...dedicated, gpusPerNode: 0 }, true, 20), 1);
});

test('a small run takes no more GPUs than it has workers', () => {
  assert.equal(workersPerNode(dedicated, true, 2), 2);
});

test('a replica that leaves no GPU is the admin’s matter', () => {
  assert.throws(
    () => workersPerNode({ ...dedicated, gpusPerNode: 1 }, true, 2),
    (error: Error) => error instanceof ConfigError && /--reference-mode shared/.test(error.message),
  );
  assert.equal(workersPerNode({ ...dedicated, gpusPerNode: 1 }, false, 2), 1);
});

test('every worker lives on one node, and no node is without', () => {
  const count = fc.integer({ min: 1, max: 64 });
  fc.assert(
    fc.property(count, count, (workers, perNode) => {
      const nodes = nodesFor(workers, perNode);
      const all = Array.from({ length: nodes }, (_, node) => workersOn(node, perNode, workers));
      assert.deepEqual(
        all.flat(),
        Array.from({ length: workers }, (_, index) => `worker-${index}`),
      );
      all.forEach((ids, node) => {
        assert.ok(ids.length > 0);
        for (const id of ids) assert.equal(nodeOf(id, perNode), node);
      });
      assert.deepEqual(workersOn(nodes, perNode, workers), []);
    }),
  );
});

test('a Job’s indexes come in ranges', () => {
  assert.deepEqual(indexesIn(''), []);
  assert.deepEqual(indexesIn('1,3-5,7'), [1, 3, 4, 5, 7]);
});
