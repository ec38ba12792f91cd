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
  requireTrainable(runOf('kto', 'lora: {}'));
  requireTrainable(runOf('dpo', 'loss_type: ipo'));
  requireTrainable(runOf('kto', 'humanline: {}, desirable_weight: auto'));
  requireTrainable(runOf('ppo_clip'));
  requireTrainable(runOf('ppo_clip', 'critic_coef: 0'));
  requireTrainable(runOf('kto', 'lora: {}'));
  requireTrainable(runOf('sft', 'adapter: a'));
});

const refused: [method: string, keys: string, message: RegExp][] = [
<<<<<<< HEAD
  ['ppo_clip', '', /stage 2: "critic_coef above 0" cannot be trained yet/],
=======
>>>>>>> critic
  ['dpo', 'data: {eval: e.jsonl}', /data\.eval: held-out rows for dpo cannot be judged yet/],
];
for (const [method, keys, message] of refused) {
  test(`${method} {${keys}} is refused`, () => {
    assert.throws(() => requireTrainable(runOf(method, keys)), { name: ConfigError.name, message });
  });
}
