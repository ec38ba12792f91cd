import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginStage, commitStep, speedOf } from '../../../../../deploy/cli/progress/state.js';
import { parseStepMetrics, type StepMetrics } from '../../../../../deploy/cli/progress/step-metrics.js';
import { RunError } from '../../../../../lib/errors.js';

const stage = { stage: 1, stageCount: 1, method: 'kto', totalSteps: 100, committedSteps: 0 };
const metrics = (step: number, tokens: number): StepMetrics => ({
  step,
  loss: 0.5,
  kl: 0,
  'rewards/margins': null,
  num_tokens: tokens,
});

test('speed is unknown before the first step', () => {
  assert.equal(speedOf(beginStage(stage, 1_000)), null);
});

test('the first step alone gives a first guess, which counts no more once there are two', () => {
  const first = commitStep(beginStage(stage, 0), metrics(1, 1_000), 10_000);
  assert.deepEqual(speedOf(first), { tokensPerSecond: 100, remainingMs: 99 * 10_000 });
  const second = commitStep(first, metrics(2, 2_000), 11_000);
  assert.deepEqual(speedOf(second), { tokensPerSecond: 1_000, remainingMs: 98 * 1_000 });
});

test('speed follows the last steps only', () => {
  let progress = beginStage(stage, 0);
  let timeMs = 0;
  for (let step = 1; step <= 60; step++) {
    timeMs += step <= 30 ? 10_000 : 500;
    progress = commitStep(progress, metrics(step, step * 100), timeMs);
  }
  assert.deepEqual(speedOf(progress), { tokensPerSecond: 200, remainingMs: 40 * 500 });
});

test('a clock that stands still or runs backwards gives no speed', () => {
  assert.equal(speedOf(commitStep(beginStage(stage, 5_000), metrics(1, 100), 5_000)), null);
  assert.equal(speedOf(commitStep(beginStage(stage, 5_000), metrics(1, 100), 4_000)), null);
});

test('metrics are read from a line of metrics.jsonl, and refused where a number is missing', () => {
  const line = { ...metrics(3, 42), grad_norm: 1.5, learning_rate: 1e-4 };
  assert.deepEqual(parseStepMetrics(JSON.stringify(line)), metrics(3, 42));
  for (const bad of ['{', '{}', '{"step": 0}', JSON.stringify({ ...line, loss: 'NaN' })]) {
    assert.throws(() => parseStepMetrics(bad), RunError);
  }
});

test('where a stage goes on, speed is measured over the steps since', () => {
  const begun = beginStage({ ...stage, committedSteps: 40 }, 0);
  const first = commitStep(begun, metrics(41, 41_000), 10_000);
  assert.equal(speedOf(first), null);
  const second = commitStep(first, metrics(42, 42_000), 12_000);
  assert.deepEqual(speedOf(second), { tokensPerSecond: 500, remainingMs: 58 * 2_000 });
});
