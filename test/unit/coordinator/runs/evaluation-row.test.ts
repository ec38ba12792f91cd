import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluationRow, type EvaluationTotals } from '../../../../coordinator/runs/evaluation-row.js';
import type { ExampleResult } from '../../../../coordinator/runs/class-means.js';
import { resolveObjective } from '../../../../lib/config/resolve-objective.js';

const totals = (method: 'kto' | 'dpo' | 'ppo_clip' | 'sft', z0: number | null = null): EvaluationTotals => ({
  step: 12,
  stage: 2,
  objective: resolveObjective(method, method === 'kto' ? { beta: 0.5 } : {}),
  epoch: 1.5,
  z0,
  klUnclamped: z0,
  eval_runtime_s: 0.25,
});

const single = (chosen: boolean, tokens: number, logp: number, reward: number | null): ExampleResult => ({
  loss: 0.125,
  completions: [{ chosen, tokens, logp, reward }],
});

const pair = (chosen: number, rejected: number): ExampleResult => ({
  loss: 0.25,
  completions: [
    { chosen: true, tokens: 2, logp: -4, reward: chosen },
    { chosen: false, tokens: 1, logp: -6, reward: rejected },
  ],
});

test('of kto, a completion counts as right on its side of z0, at the scale of rewards; a tie is on neither', () => {
  const row = evaluationRow(totals('kto', 3), [
    single(true, 4, -8, 1.75),
    single(true, 2, -7, 1.5),
    single(true, 1, -3, 1.25),
    single(false, 5, -5, 1.25),
    single(false, 3, -9, 1.5),
  ]);
  assert.deepEqual(row, {
    step: 12,
    stage: 2,
    method: 'kto',
    epoch: 1.5,
    rows: 5,
    eval_loss: 0.625,
    eval_kl: 3,
    eval_kl_unclamped: 3,
    'eval_rewards/chosen': 1.5,
    'eval_rewards/rejected': 1.375,
    'eval_rewards/margins': 0.125,
    'eval_rewards/accuracies': 2 / 5,
    'eval_accuracy/chosen': 1 / 3,
    'eval_accuracy/rejected': 1 / 2,
    'eval_logps/chosen': -6,
    'eval_logps/rejected': -7,
    'eval_logps_per_token/chosen': -18 / 7,
    'eval_logps_per_token/rejected': -14 / 8,
    eval_runtime_s: 0.25,
  });
});

test('without a reference point the side is that of 0', () => {
  const row = evaluationRow(totals('ppo_clip'), [
    single(true, 1, -1, 0.1),
    single(true, 1, -1, 0),
    single(false, 1, -1, -2),
    single(false, 1, -1, 0.1),
  ]);
  const { 'eval_rewards/accuracies': all, 'eval_accuracy/chosen': up, 'eval_accuracy/rejected': down } = row;
  assert.deepEqual([all, up, down, row.eval_kl], [0.5, 0.5, 0.5, null]);
});

test('of pairs, as TRL counts them: the chosen completion has the greater reward', () => {
  const row = evaluationRow(totals('dpo'), [pair(1, 0.5), pair(-2, -1), pair(0, 0), pair(3, -3)]);
  assert.equal(row['eval_rewards/accuracies'], 0.5);
  assert.deepEqual([row['eval_accuracy/chosen'], row['eval_accuracy/rejected']], [null, null]);
  assert.deepEqual([row.rows, row.eval_loss, row['eval_rewards/margins']], [4, 1, 0.5 - -0.875]);
  assert.deepEqual([row['eval_logps_per_token/chosen'], row['eval_logps_per_token/rejected']], [-2, -6]);
});

test('without rewards there is nothing to be right about; a class that is not there is null', () => {
  const row = evaluationRow(totals('sft'), [single(true, 2, -3, null), single(true, 4, -6, null)]);
  const nulls = Object.entries(row).flatMap(([key, value]) => (value === null ? [key] : []));
  assert.deepEqual(nulls, [
    'eval_kl',
    'eval_kl_unclamped',
    'eval_rewards/chosen',
    'eval_rewards/rejected',
    'eval_rewards/margins',
    'eval_rewards/accuracies',
    'eval_accuracy/chosen',
    'eval_accuracy/rejected',
    'eval_logps/rejected',
    'eval_logps_per_token/rejected',
  ]);
  assert.equal(row['eval_logps_per_token/chosen'], -1.5);
});

test('what is not finite is null wherever it counts, and only there', () => {
  for (const [bad, z0] of [
    [Number.NaN, 1],
    [Infinity, 1],
    [1, Number.NaN],
  ] as const) {
    const row = evaluationRow(totals('kto', z0), [single(true, 1, -1, bad), single(false, 1, -2, 0.5)]);
    assert.equal(row['eval_accuracy/chosen'], null);
    assert.equal(row['eval_rewards/accuracies'], null);
    assert.equal(row['eval_rewards/rejected'], 0.5);
    assert.deepEqual(JSON.parse(JSON.stringify(row)), row);
  }
});
