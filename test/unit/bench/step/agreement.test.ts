import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareSteps, tolerance } from '../../../bench/step/agreement.js';
import type { TrainedStep } from '../../../bench/step/side.js';

const step = (change: Partial<TrainedStep> = {}): TrainedStep => ({
  loss: 0.5,
  kl: 0.2,
  gradNorm: 3,
  milliseconds: 10,
  ...change,
});

test('sides within the tolerances agree, and the largest difference of losses is told', () => {
  const near = step({
    loss: 0.5 + tolerance.loss / 2,
    gradNorm: 3 * (1 + tolerance.gradNorm / 2),
    milliseconds: 99,
  });
  const { worstLoss, disagreement } = compareSteps([step(), near], [step(), step()]);
  assert.equal(disagreement, null);
  assert.ok(Math.abs(worstLoss - tolerance.loss / 2) < 1e-12);
});

for (const [key, value] of [
  ['loss', 0.5 + 2 * tolerance.loss],
  ['kl', 0.2 - 2 * tolerance.kl],
  ['gradNorm', 3 * (1 + 2 * tolerance.gradNorm)],
  ['loss', NaN],
] as const) {
  test(`${key} ${value} in the third step is named`, () => {
    const ours = [step(), step(), step({ [key]: value }), step({ loss: 9 })];
    const { disagreement } = compareSteps(ours, [step(), step(), step(), step()]);
    assert.match(disagreement ?? '', new RegExp(`^step 3: ${key} `));
  });
}

test('norms are compared in proportion', () => {
  assert.equal(compareSteps([step({ gradNorm: 1000 })], [step({ gradNorm: 1001 })]).disagreement, null);
  assert.notEqual(compareSteps([step({ gradNorm: 0.001 })], [step({ gradNorm: 0.002 })]).disagreement, null);
});

test('as many steps are compared as both sides have, but at least one', () => {
  assert.equal(compareSteps([step(), step({ loss: 9 })], [step()]).disagreement, null);
  assert.throws(() => compareSteps([], [step()]), RangeError);
});
