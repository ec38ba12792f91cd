import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addSamples, emptySamples, MAX_SAMPLED_STEPS } from '../../../../../coordinator/page/view/samples.js';

test('of any number the first, the newest and evenly spread ones are kept', () => {
  const history = emptySamples();
  for (let n = 0; n <= 1000; n++) {
    addSamples(history, { step: 50 * n, completions: [], omitted: 0 });
    const steps = history.kept.map(({ step }) => step);
    assert.ok(steps.length <= MAX_SAMPLED_STEPS, `${steps.length} after ${n}`);
    assert.deepEqual([steps[0], steps.at(-1)], [0, 50 * n]);
    if (n < MAX_SAMPLED_STEPS) assert.equal(steps.length, n + 1);
    else assert.ok(steps.length > MAX_SAMPLED_STEPS / 2, `only ${steps.length} after ${n}`);
    const distance = 50 * history.stride;
    steps.slice(0, -1).forEach((step, i) => assert.equal(step, i * distance));
  }
});

test('what was sampled again is not added again', () => {
  const history = emptySamples();
  for (const step of [0, 10, 10, 0, 20]) addSamples(history, { step, completions: [], omitted: 0 });
  assert.deepEqual(
    history.kept.map(({ step }) => step),
    [0, 10, 20],
  );
});
