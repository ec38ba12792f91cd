import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inspectFile } from '../../../../../coordinator/data/inspect/inspect-file.js';
import { Quantiles } from '../../../../../coordinator/data/inspect/quantiles.js';
import { TextTokenizer } from '../../../../../coordinator/data/tokenizer.js';
import { modelDirectory, temporaryDirectory } from '../tiny-model.js';

const LIMITS = { maxLength: 6, maxPromptLength: 3 };

function inspect(t: TestContext, rows: readonly unknown[]) {
  const file = join(temporaryDirectory(t), 'rows.jsonl');
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return inspectFile(file, TextTokenizer.load(modelDirectory(t)), LIMITS);
}

const tokens = (promptIds: readonly number[], completionIds: readonly number[], label?: boolean) => ({
  prompt_ids: promptIds,
  completion_ids: completionIds,
  label,
});

test('counts rows by kind, and bad ones by reason', async (t) => {
  const { rows, kinds, bad } = await inspect(t, [
    3,
    tokens([1], [2], true),
    tokens([1], [3], false),
    tokens([1], [4], false),
    tokens([1], [5]),
    { ...tokens([1], [6]), score: 2 },
    { prompt_ids: [1], chosen_ids: [7], rejected_ids: [8] },
    tokens([], [2], true),
  ]);
  assert.equal(rows, 8);
  assert.deepEqual(kinds, { desirable: 1, undesirable: 2, scored: 1, 'without label': 1, pair: 1 });
  const [first, second] = [...bad.byReason];
  assert.equal(first?.[0], 'not a JSON object');
  assert.equal(second?.[0], 'prompt_ids is empty');
  assert.match(second[1].first ?? '', /rows\.jsonl:8$/);
});

test('measures every answer before it is cut, and counts the cuts', async (t) => {
  const { promptTokens, completionTokens, promptsCut, completionsCut, sample } = await inspect(t, [
    tokens([1, 2, 3, 4], [5, 6, 7, 8], true),
    { prompt_ids: [1], chosen_ids: [2], rejected_ids: [3, 4, 5, 6, 7, 8] },
  ]);
  const quantiles = (of: Quantiles) => [0, 0.5, 1].map((q) => of.at(q));
  assert.deepEqual(quantiles(promptTokens), [1, 1, 4]);
  assert.deepEqual(quantiles(completionTokens), [1, 4, 6]);
  assert.deepEqual([promptsCut, completionsCut], [1, 2]);
  assert.deepEqual([...sample!.promptIds], [2, 3, 4]);
  assert.deepEqual([...sample!.completionIds], [5, 6, 7]);
});

test('finds answers that stand there twice, and those that are judged both ways', async (t) => {
  const { duplicates } = await inspect(t, [
    tokens([1], [2], true),
    tokens([1], [2], true),
    tokens([1], [2], false),
    tokens([1, 2], [3], true),
    tokens([1], [2, 3], false),
    { prompt_ids: [1], chosen_ids: [2, 3], rejected_ids: [9] },
  ]);
  assert.equal(duplicates.repeated, 3);
  assert.equal(duplicates.contradictory, 2);
});

test('a file without a sound row is an error', async (t) => {
  await assert.rejects(inspect(t, [{ instruction: 'q', output: 'a' }]), {
    name: 'ConfigError',
    message:
      /none of 1 rows can be trained on \(1: prompt is missing\); "prospect data inspect \S+", without --model, shows/,
  });
});

test('quantiles are values that were added', () => {
  const quantiles = new Quantiles();
  for (const value of [5, 1, 4, 2, 3]) quantiles.add(value);
  assert.deepEqual(
    [0, 0.2, 0.21, 0.5, 0.9, 1].map((q) => quantiles.at(q)),
    [1, 1, 2, 3, 5, 5],
  );
});
