import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate, type Scorer } from '../../../../../deploy/cli/evaluation/evaluate.js';
import { evaluationTable } from '../../../../../deploy/cli/evaluation/report.js';
import { resolveObjective } from '../../../../../lib/config/resolve-objective.js';
import { ConfigError } from '../../../../../lib/errors.js';

const ids = (...values: number[]) => Int32Array.from(values);
const example = (row: number, promptIds: Int32Array, completionIds: Int32Array, desirable: boolean) => ({
  row,
  promptIds,
  completionIds,
  desirable,
});
const examples = [
  example(0, ids(1), ids(10, 11), true),
  example(1, ids(2, 2), ids(20), false),
  example(2, ids(3), ids(30, 31, 32), true),
];

/** log-prob = −(number of completion tokens) · (the model's price) − (first completion id) / 64. */
function priceScorer(prices: Readonly<Record<string, number>>): { scorer: Scorer; calls: string[] } {
  const calls: string[] = [];
  const scorer: Scorer = (modelDir, sequences) => {
    calls.push(modelDir);
    const logps = sequences.map(
      ({ ids, completionStart }) =>
        -(ids.length - completionStart) * prices[modelDir]! - ids[completionStart]! / 64,
    );
    return Promise.resolve(Float64Array.from(logps));
  };
  return { scorer, calls };
}

const kto = { objective: resolveObjective('kto', { beta: 0.5 }), globalBatchSize: 3, maxLength: 4 };

test('before, after and reference are scored once each, and the pairs rotate inside the batch', async () => {
  const { scorer, calls } = priceScorer({ start: 2, end: 1 });
  const models = { before: 'start', after: 'end', reference: 'start' };
  const evaluation = await evaluate(examples, models, kto, scorer);
  assert.deepEqual(calls, ['start', 'end']);
  assert.ok(evaluation.method === 'kto');
  // The gain of a completion is its length: 2, 1, 3. Prompts meet completions of 3, 2 and 1 tokens, all of which fit.
  assert.deepEqual(evaluation.after, {
    z0: 2,
    desirable: { rows: 2, rightSideShare: 0.5, meanReward: 1.25, logpPerToken: -(2 + 3 + 40 / 64) / 5 },
    undesirable: { rows: 1, rightSideShare: 1, meanReward: 0.5, logpPerToken: -(1 + 20 / 64) },
  });
  assert.equal(evaluation.before.z0, 0);
  assert.equal(evaluation.before.desirable?.meanReward, 0);
});

test('a mismatched completion is cut to fit after its prompt', async () => {
  const { scorer } = priceScorer({ start: 2, end: 1 });
  const models = { before: 'start', after: 'end', reference: 'start' };
  const evaluation = await evaluate(examples, models, { ...kto, maxLength: 3 }, scorer);
  assert.ok(evaluation.method === 'kto');
  // Prompt 0 has room for 2 of the 3 tokens of completion 2, prompt 1 for 1 of 2, prompt 2 for the 1 of completion 1.
  assert.equal(evaluation.after.z0, (2 + 1 + 1) / 3);
});

test('an explicit reference is scored as a third model', async () => {
  const { scorer, calls } = priceScorer({ start: 2, end: 1, other: 3 });
  await evaluate(examples, { before: 'start', after: 'end', reference: 'other' }, kto, scorer);
  assert.deepEqual(calls, ['start', 'end', 'other']);
});

test('rows of one prompt give no z0, and that is said', async () => {
  const same = [example(0, ids(1), ids(5), true), example(1, ids(1), ids(6), false)];
  const { scorer } = priceScorer({ start: 2 });
  const models = { before: 'start', after: 'start', reference: 'start' };
  await assert.rejects(evaluate(same, models, kto, scorer), ConfigError);
});

test('supervised fine-tuning is judged by likelihood alone', async () => {
  const { scorer } = priceScorer({ start: 2, end: 1 });
  const models = { before: 'start', after: 'end', reference: 'start' };
  const evaluation = await evaluate(examples, models, { ...kto, objective: { method: 'sft' } }, scorer);
  assert.deepEqual(evaluation, {
    method: 'sft',
    rows: 3,
    before: { logpPerToken: -(12 + 60 / 64) / 6 },
    after: { logpPerToken: -(6 + 60 / 64) / 6 },
  });
  assert.deepEqual(evaluationTable(evaluation).rows, [['log-prob per token', '-2.156', '-1.156']]);
});

test('the table shows both classes, and a dash for a class without rows', async () => {
  const { scorer } = priceScorer({ start: 2, end: 1 });
  const models = { before: 'start', after: 'end', reference: 'start' };
  const table = evaluationTable(await evaluate([examples[0]!, examples[2]!], models, kto, scorer));
  assert.deepEqual(table.rows.slice(1, 3), [
    ['thumbs up: above z0', '0.0 %', '50.0 %'],
    ['thumbs down: below z0', '–', '–'],
  ]);
});
