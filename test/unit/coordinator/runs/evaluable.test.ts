import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireEvaluable } from '../../../../coordinator/runs/evaluable.js';
import { parseRunFile } from '../../../../lib/config/load.js';
import { ConfigError } from '../../../../lib/errors.js';

const runOf = (method: string, keys = '') =>
  parseRunFile(
    `model: m\ndata: {train: t.jsonl}\nstages: [{method: sft}, {method: ${method}, ${keys}}]`,
    'run.yaml',
    { baseDir: '/' },
  );

test('thumbs and imitation are judged by held-out rows, and no method needs any', () => {
  requireEvaluable(runOf('kto', 'data: {eval: e.jsonl}'));
  requireEvaluable(runOf('sft', 'data: {eval: e.jsonl}'));
  for (const method of ['dpo', 'ppo_clip', 'csft']) requireEvaluable(runOf(method));
});

test('held-out rows that nothing can judge are refused before training', () => {
  assert.throws(() => requireEvaluable(runOf('dpo', 'data: {eval: e.jsonl}')), {
    name: ConfigError.name,
    message: /data\.eval: held-out rows for dpo cannot be judged yet/,
  });
  const scored = 'data: {eval: e.jsonl}, score_scale: {min: 1, max: 5, neutral: 3}';
  assert.throws(() => requireEvaluable(runOf('kto', scored)), /held-out rows for kto cannot be judged yet/);
});
