import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExampleResult } from '../../../../coordinator/runs/class-means.js';
import { metricsRow } from '../../../../coordinator/runs/metrics-row.js';

const totals = {
  step: 3,
  stage: 2,
  method: 'kto',
  epoch: 0.75,
  kl: 0.5,
  kl_unclamped: 0.5,
  grad_norm: 1.25,
  learning_rate: 0.001,
  num_tokens: 120,
  step_time_s: 0.5,
} as const;

const example = (chosen: boolean, loss: number, logp: number, reward: number | null): ExampleResult => ({
  loss,
  completions: [{ chosen, tokens: 4, logp, reward }],
});

test('means are taken over each class of the whole batch', () => {
  const row = metricsRow(totals, [
    example(true, 0.125, -4, 0.5),
    example(false, 0.25, -10, -1),
    example(true, 0.5, -6, 1),
  ]);
  assert.deepEqual(row, {
    ...totals,
    loss: 0.875,
    'rewards/chosen': 0.75,
    'rewards/rejected': -1,
    'rewards/margins': 1.75,
    'logps/chosen': -5,
    'logps/rejected': -10,
  });
});

test('both completions of a pair count, each to its class', () => {
  const row = metricsRow({ ...totals, method: 'dpo', kl: null, kl_unclamped: null }, [
    {
      loss: 0.5,
      completions: [
        { chosen: true, tokens: 4, logp: -4, reward: 1 },
        { chosen: false, tokens: 5, logp: -6, reward: -1 },
      ],
    },
  ]);
  assert.deepEqual([row['rewards/margins'], row['logps/chosen'], row['logps/rejected']], [2, -4, -6]);
});

test('a class that the batch lacks is null, and so is the margin', () => {
  const row = metricsRow(totals, [example(false, 0.25, -10, -1)]);
  assert.equal(row['rewards/chosen'], null);
  assert.equal(row['logps/chosen'], null);
  assert.equal(row['rewards/margins'], null);
  assert.equal(row['rewards/rejected'], -1);
});

test('a method without reward and reference has null there', () => {
  const row = metricsRow({ ...totals, method: 'sft', kl: null, kl_unclamped: null }, [
    example(true, 0.25, -10, null),
    example(true, 0.25, -20, null),
  ]);
  assert.deepEqual(
    [row.kl, row['rewards/chosen'], row['rewards/rejected'], row['rewards/margins'], row['logps/rejected']],
    [null, null, null, null, null],
  );
  assert.equal(row['logps/chosen'], -15);
});

test('sums are taken in position order, so that rounding does not depend on the workers', () => {
  const losses = [1e16, 1, -1e16, 1];
  const row = metricsRow(
    totals,
    losses.map((loss) => example(true, loss, 0, 0)),
  );
  // 1e16 + 1 rounds to 1e16: another order would give 2.
  assert.equal(row.loss, 1);
});

test('keys come in the order of the file', () => {
  assert.deepEqual(Object.keys(metricsRow(totals, [])), [
    'step',
    'stage',
    'method',
    'epoch',
    'loss',
    'kl',
    'kl_unclamped',
    'rewards/chosen',
    'rewards/rejected',
    'rewards/margins',
    'logps/chosen',
    'logps/rejected',
    'grad_norm',
    'learning_rate',
    'num_tokens',
    'step_time_s',
  ]);
});
