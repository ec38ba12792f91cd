import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samplesOf } from '../../../../coordinator/runs/stage-samples.js';

const unit = (row: number, ...ids: number[]) => ({
  row,
  promptIds: Int32Array.from(ids),
  completions: [Int32Array.of(row)] as const,
  desirable: true,
  score: null,
});
const tokenizer = { decode: () => '', eosId: 2 };
const config = { everySteps: 5, prompts: 2, maxNewTokens: 8, temperature: 0 };

test('the first prompts that differ are continued, as many as are wanted or there are', () => {
  const rows = [unit(0, 1, 12), unit(1, 1, 12), unit(2, 11, 2), unit(3, 1, 1)];
  const promptsOf = (prompts: number) =>
    samplesOf({ samples: { ...config, prompts } }, rows, tokenizer)?.prompts.map((ids) => [...ids]);
  assert.deepEqual(promptsOf(2), [
    [1, 12],
    [11, 2],
  ]);
  assert.equal(promptsOf(9)?.length, 3);
  assert.equal(samplesOf({ samples: null }, rows, tokenizer), null);
});
