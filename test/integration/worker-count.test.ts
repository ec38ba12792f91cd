import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixturePath } from '../parity/fixtures.js';
import { judgedRows } from '../support/tiny-run.js';
import { prospect, temporaryDirectory } from './prospect.js';

/** What may not depend on the number of workers: everything but the time that a step took. */
function columns(metricsFile: string): unknown[] {
  const lines = readFileSync(metricsFile, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    delete row['step_time_s'];
    return row;
  });
}

const variants = {
  'full fine-tuning, each prompt once': { keys: ['share_prompts: true'], file: 'model.safetensors' },
  LoRA: { keys: ['lora: { r: 4, alpha: 8 }'], file: 'adapter_model.safetensors' },
};

for (const [name, { keys, file }] of Object.entries(variants)) {
  test(`${name}: 1, 2, 3 and 4 workers give the same weights and metrics, bit for bit`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(
      join(directory, 'rows.jsonl'),
      judgedRows()
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    const lines = [
      `model: ${fixturePath('models/llama')}`,
      ...keys,
      'method: kto',
      'learning_rate: 1e-3',
      'lr_schedule: cosine',
      'warmup_steps: 2',
      'weight_decay: 0.01',
      'global_batch_size: 16',
      'micro_batch_size: 2',
      'max_steps: 12',
      'threads_per_worker: 1',
      'data: { train: rows.jsonl }',
    ];
    const runFile = join(directory, 'run.yaml');
    writeFileSync(runFile, `${lines.join('\n')}\n`);
    const runs = [];
    for (const workers of [1, 2, 3, 4]) {
      const out = join(directory, `out-${workers}`);
      const { code, stderr } = await prospect(['train', runFile, '--workers', `${workers}`, '--out', out]);
      assert.equal(code, 0, stderr);
      const weights = createHash('sha256')
        .update(readFileSync(join(out, 'model', file)))
        .digest('hex');
      runs.push({ weights, metrics: columns(join(out, 'metrics.jsonl')) });
    }
    assert.equal(runs[0]!.metrics.length, 12);
    for (const run of runs.slice(1)) assert.deepEqual(run, runs[0]);
  });
}
