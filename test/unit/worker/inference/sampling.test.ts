import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sampleToken } from '../../../../worker/inference/sampling.js';
import { testRandom } from '../random.js';

/** Probabilities 0.1, 0.2, 0.3, 0.4. */
const logits = Float32Array.from([0.1, 0.2, 0.3, 0.4], Math.log);

test('temperature 0 takes the likeliest token, the first of equals', () => {
  assert.equal(sampleToken(logits, { temperature: 0, topP: 1 }, 0.999), 3);
  assert.equal(sampleToken(Float32Array.of(1, 5, 5), { temperature: 0, topP: 1 }, 0.5), 1);
});

test('tokens are drawn as often as they are likely', () => {
  const draw = (uniform: number) => sampleToken(logits, { temperature: 1, topP: 1 }, uniform);
  assert.deepEqual([0, 0.09, 0.11, 0.29, 0.31, 0.59, 0.61, 0.999].map(draw), [0, 0, 1, 1, 2, 2, 3, 3]);
});

test('top-p draws from the likeliest tokens only', () => {
  const draw = (uniform: number) => sampleToken(logits, { temperature: 1, topP: 0.65 }, uniform);
  assert.deepEqual([0, 0.57, 0.58, 0.999].map(draw), [3, 3, 2, 2]);
  assert.equal(sampleToken(logits, { temperature: 1, topP: 0.01 }, 0.999), 3);
});

test('a lower temperature sharpens the distribution', () => {
  // (0.1² + 0.2² + 0.3²) / (0.1² + 0.2² + 0.3² + 0.4²) = 0.4667
  const draw = (uniform: number) => sampleToken(logits, { temperature: 0.5, topP: 1 }, uniform);
  assert.deepEqual([0.46, 0.47].map(draw), [2, 3]);
});

test('top-p takes the tokens that reach it and no more, whatever the distribution', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 50; round += 1) {
    const many = random.floats(200).map((value) => 8 * value);
    const topP = 0.5 + 0.499 * Math.abs(random.next());
    const total = many.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const ranked = [...many.keys()].sort((a, b) => many[b]! - many[a]!);
    let reached = 0;
    const size = 1 + ranked.findIndex((token) => (reached += Math.exp(many[token]!) / total) >= topP);
    const last = sampleToken(many, { temperature: 1, topP }, 1 - 2 ** -53);
    assert.equal(last, ranked[size - 1], `round ${round}`);
  }
});
