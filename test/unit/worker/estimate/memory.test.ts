import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { referenceMemory, totalBytes, workerMemory } from '../../../../worker/estimate/memory.js';
import type { StepSplit } from '../../../../worker/estimate/split.js';
import { stepTraffic } from '../../../../worker/estimate/traffic.js';
import { BLOCK_SIZE, layOut } from '../../../../worker/parameters/layout.js';
import { runsOf } from '../../../../worker/reduction/tree.js';

const BLOCKS = 8;
const P = BLOCKS * BLOCK_SIZE;
const layout = layOut([{ name: 'weight', shape: [P] }]);
const split = (...starts: number[]): StepSplit => ({ runs: runsOf(starts), leafCount: starts.at(-1)! });
const load = { layout, frozen: null, activationBytes: 1000, writesCheckpoints: false };

describe('the memory of a worker', () => {
  test('alone: both weights, the optimizer of all, and one sum for each open level of the tree', () => {
    const { weights, gradients, optimizer, exchange, checkpoint, frozenWeights } = workerMemory({
      ...load,
      splits: [split(0, 8)],
      rank: 0,
    });
    assert.deepEqual(
      { weights, gradients, optimizer, exchange, checkpoint, frozenWeights },
      // Eight leaves: pairs are added in place, so three levels wait.
      {
        weights: 8 * P,
        gradients: 3 * 4 * P,
        optimizer: 2 * 4 * P,
        exchange: 0,
        checkpoint: 0,
        frozenWeights: 0,
      },
    );
  });

  test('of four: a quarter of the optimizer twice, and the sums of the three others for its part', () => {
    const memory = workerMemory({
      ...load,
      splits: [split(0, 2, 4, 6, 8)],
      rank: 1,
      frozen: layout,
      writesCheckpoints: true,
    });
    const part = P / 4;
    // Two moments of its own part, those and the gradient of the other one.
    assert.equal(memory.optimizer, (2 + 3) * 4 * part);
    assert.equal(memory.exchange, 3 * 4 * part);
    assert.equal(memory.checkpoint, 3 * 4 * part);
    assert.equal(memory.frozenWeights, 4 * P);
    assert.equal(memory.gradients, 4 * P);
    assert.ok(memory.activations >= 1000);
    assert.equal(
      totalBytes(memory),
      Object.values({ ...memory }).reduce((sum: number, bytes: number) => sum + bytes, 0),
    );
  });

  test('the step that needs most decides', () => {
    const even = split(0, 4, 8);
    const uneven = split(0, 3, 6);
    const memoryOf = (...splits: [StepSplit, ...StepSplit[]]) => workerMemory({ ...load, splits, rank: 1 });
    assert.ok(
      memoryOf(uneven).gradients !== memoryOf(even).gradients ||
        memoryOf(uneven).exchange !== memoryOf(even).exchange,
    );
    assert.equal(
      memoryOf(even, uneven).gradients,
      Math.max(memoryOf(even).gradients, memoryOf(uneven).gradients),
    );
    assert.equal(
      memoryOf(even, uneven).exchange,
      Math.max(memoryOf(even).exchange, memoryOf(uneven).exchange),
    );
  });

  test('of a reference: its weights once', () => {
    const memory = referenceMemory([layout, layout], 0);
    assert.equal(memory.weights, 8 * P);
    assert.equal(totalBytes(memory), memory.program + memory.weights);
  });
});

describe('bytes between the workers', () => {
  test('none where there is one', () => {
    assert.deepEqual(stepTraffic(layout, split(0, 8), 0), { sentBytes: 0, receivedBytes: 0 });
  });

  test('gradients to the owners, weights from them, and the gradient of a part to its second owner', () => {
    const part = P / 2;
    const { sentBytes, receivedBytes } = stepTraffic(layout, split(0, 4, 8), 0);
    assert.equal(sentBytes, 4 * (part + part + part) + (BLOCKS / 2) * 8);
    assert.equal(receivedBytes, sentBytes);
  });

  test('what is sent is received', () => {
    const uneven = split(0, 3, 5, 11);
    const all = [0, 1, 2].map((rank) => stepTraffic(layout, uneven, rank));
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    assert.equal(
      sum(all.map(({ sentBytes }) => sentBytes)),
      sum(all.map(({ receivedBytes }) => receivedBytes)),
    );
  });
});
