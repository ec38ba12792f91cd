import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeInBatchOrder, packValues } from '../../../../worker/trainer/batch-statistic.js';

const payloads = [
  packValues([
    { position: 3, values: [0.3, 3] },
    { position: 0, values: [0.1, 1] },
  ]),
  packValues([]),
  packValues([{ position: 1, values: [0.2, 2] }]),
];

test('values come back in batch order, whoever sent them', () => {
  assert.deepEqual(mergeInBatchOrder(payloads, 3, 2), [0.1, 1, 0.2, 2, 0.3, 3]);
});

test('a missing, double or torn value is an error that names the rank where it can', () => {
  assert.throws(() => mergeInBatchOrder(payloads, 4, 2), /3 batch values of 4/);
  assert.throws(
    () => mergeInBatchOrder([...payloads, payloads[2]!], 3, 2),
    /rank 3 sent the value of batch position 1 again/,
  );
  const nowhere = packValues([{ position: 0.5, values: [1, 1] }]);
  assert.throws(() => mergeInBatchOrder([nowhere], 1, 2), /rank 0 sent a value for batch position 0.5/);
  assert.throws(() => mergeInBatchOrder([payloads[0]!.subarray(1)], 2, 2), /rank 0 sent 47 bytes/);
});
