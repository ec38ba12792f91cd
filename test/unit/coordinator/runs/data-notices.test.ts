import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataNotices } from '../../../../coordinator/runs/data-notices.js';
import type { DataReport } from '../../../../coordinator/data/load.js';
import { parseRunFile } from '../../../../lib/config/load.js';

const stageOf = (method: string, weights = '') =>
  parseRunFile(`model: m\nmethod: ${method}\ndata: {train: t.jsonl}\n${weights}`, 'run.yaml', {
    baseDir: '/',
  }).stages[0];

const report = (changes: Partial<DataReport> = {}): DataReport => ({
  rows: 100,
  used: 100,
  skipped: new Map(),
  promptsCut: 0,
  completionsCut: 0,
  desirable: 50,
  undesirable: 50,
  leftOut: 0,
  ...changes,
});

test('sound data gives one line', () => {
  assert.deepEqual(dataNotices(report(), stageOf('kto'), 2), [
    {
      text: 'stage 2 (kto): 100 of 100 rows used from /t.jsonl; 50 desirable, 50 undesirable',
      warning: false,
    },
  ]);
});

test('what was skipped, cut and left out is said', () => {
  const changed = report({
    used: 90,
    skipped: new Map([
      ['label is missing', 1],
      ['completion is empty', 2],
    ]),
    promptsCut: 3,
    completionsCut: 4,
    leftOut: 7,
  });
  const texts = dataNotices(changed, stageOf('sft'), 1).map(({ text }) =>
    text.replace('stage 1 (sft): ', ''),
  );
  assert.deepEqual(texts, [
    '90 of 100 rows used from /t.jsonl; 7 left out that sft has no use for',
    '1 row skipped: label is missing',
    '2 rows skipped: completion is empty',
    '3 prompts lost their beginning to max_prompt_length 512',
    '4 completions lost their end to max_length 1024',
  ]);
});
