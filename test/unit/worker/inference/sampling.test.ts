import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sampleToken } from '../../../../worker/inference/sampling.js';

/** Probabilities 0.1, 0.2, 0.3, 0.4. */
const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4], Math.log);

test('temperature 0 takes the likeliest token, the first of equals', () => {
  assert.equal(sampleToken(logits, { temperature: 0, topP: 1 }, 0.999), 3);
  assert.equal(sampleToken(Float32Array.of(1, 5, 5), { temperature: 0, topP: 1 }, 0.5), 1);
});

test('tokens are drawn as often as they are likely', () => {
  const draw = (uniform: number) => sampleToken(logits, { temperature: 1, topP: 1 }, uniform);
  assert.deepEqual([0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, 0.999].map(draw), [3, 3, 2, 2, 1, 1, 0, 0]);
});

test('top-p draws from the likeliest tokens only', () => {
  const draw = (uniform: number) => sampleToken(logits, { temperature: 1, topP: 0.65 }, uniform);
  assert.deepEqual([0, 0.57, 0.58, 0.999].map(draw), [3, 3, 2, 2]);
  assert.equal(sampleToken(logits, { temperature: 1, topP: 0.01 }, 0.999), 3);
});

test('a lower temperature sharpens the distribution', () => {
  // 0.4² / (0.1² + 0.2² + 0.3² + 0.4²) = 0.5333
  const draw = (uniform: number) => sampleToken(logits, { temperature: 0.5, topP: 1 }, uniform);
  assert.deepEqual([0.53, 0.54].map(draw), [3, 2]);
});
