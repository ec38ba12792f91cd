import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { prospect, temporaryDirectory } from './prospect.js';

interface Texts {
  readonly prompts: string[];
  readonly completions: string[];
  readonly labels: boolean[];
}

async function run(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await prospect(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

const logpsOf = (lines: string) =>
  lines
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { logp: number }).logp);

test('an adapter is trained through two stages, scored, and merged into a plain model of the same log-probs', async (t) => {
  const directory = temporaryDirectory(t);
  const { prompts, completions, labels } = readFixture('golden/train_llama_full.json') as Texts;
  const rows = prompts.map((prompt, i) =>
    JSON.stringify({ prompt, completion: completions[i], label: labels[i] }),
  );
  const data = join(directory, 'rows.jsonl');
  writeFileSync(data, `${rows.join('\n')}\n`);
  const file = join(directory, 'run.yaml');
  const lines = [
    `model: ${fixturePath('models/llama')}`,
    'lora: { r: 4, alpha: 8 }',
    'learning_rate: 5e-3',
    'max_steps: 4',
    'threads_per_worker: 1',
    'data: { train: rows.jsonl, eval: rows.jsonl }',
    'stages: [{ method: sft }, { method: kto }]',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const out = join(directory, 'out');
  await run(['train', file, '--out', out]);

  const adapter = join(out, 'model');
  const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  assert.deepEqual([config['peft_type'], config['r'], config['lora_alpha']], ['LORA', 4, 8]);
  assert.equal(config['base_model_name_or_path'], fixturePath('models/llama'));
  assert.ok(existsSync(join(adapter, 'tokenizer.json')));
  assert.ok(existsSync(join(out, 'eval.json')), 'held-out rows are judged by base and adapter');

  const merged = join(directory, 'merged');
  assert.match(await run(['export', '--merge', adapter, '--out', merged]), /merged model/);
  const ofAdapter = logpsOf(await run(['score', '--model', adapter, '--data', data]));
  const ofMerged = logpsOf(await run(['score', '--model', merged, '--data', data]));
  const ofBase = logpsOf(await run(['score', '--model', fixturePath('models/llama'), '--data', data]));
  assert.equal(ofAdapter.length, rows.length);
  ofAdapter.forEach((logp, i) => {
    assert.ok(Math.abs(logp - ofMerged[i]!) < 1e-3, `row ${i}: adapter ${logp}, merged ${ofMerged[i]}`);
    assert.ok(Math.abs(logp - ofBase[i]!) > 1e-2, `row ${i}: training has changed nothing`);
  });

  const again = await prospect(['export', '--merge', adapter, '--out', merged]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /is there already/);
});
