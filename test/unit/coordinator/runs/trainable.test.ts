import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireTrainable } from '../../../../coordinator/runs/trainable.js';
import { parseRunFile } from '../../../../lib/config/load.js';
import { ConfigError } from '../../../../lib/errors.js';

const runOf = (method: string, keys = '') =>
  parseRunFile(
    `model: m\ndata: {train: t.jsonl}\nstages: [{method: sft}, {method: ${method}, ${keys}}]`,
    'run.yaml',
    { baseDir: '/' },
  );

test('what is trained is let through', () => {
  requireTrainable(runOf('kto', 'beta: 0.3, desirable_weight: 2, reference: r'));
  requireTrainable(runOf('sft'));
});

const refused: [method: string, keys: string, key: string][] = [
  ['dpo', '', 'method: dpo'],
  ['csft', '', 'method: csft'],
  ['kto', 'lora: {}', 'lora'],
  ['sft', 'adapter: a', 'adapter'],
  ['kto', 'humanline: {}', 'humanline'],
  ['kto', 'score_scale: {min: 1, max: 5, neutral: 3}', 'score_scale'],
  ['kto', 'z0_denominator: nonzero', 'z0_denominator: nonzero'],
  ['kto', 'desirable_weight: auto', 'desirable_weight: auto'],
  ['kto', 'undesirable_weight: auto', 'undesirable_weight: auto'],
];
for (const [method, keys, key] of refused) {
  test(`${method} {${keys}} is refused`, () => {
    assert.throws(() => requireTrainable(runOf(method, keys)), {
      name: ConfigError.name,
      message: `stage 2: "${key}" cannot be trained yet; change it`,
    });
  });
}
