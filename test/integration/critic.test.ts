import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSafetensors } from '../../lib/safetensors/checkpoint.js';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { prospect, temporaryDirectory } from './prospect.js';

interface Texts {
  readonly prompts: string[];
  readonly completions: string[];
  readonly labels: boolean[];
}

const STEPS = 20;

test('ppo_clip with its critic widens the margin, the same bits with one worker and with two', async (t) => {
  const directory = temporaryDirectory(t);
  const { prompts, completions, labels } = readFixture('golden/train_llama_full.json') as Texts;
  const rows = prompts.map((prompt, i) =>
    JSON.stringify({ prompt, completion: completions[i], label: labels[i] }),
  );
  writeFileSync(join(directory, 'rows.jsonl'), `${rows.join('\n')}\n`);
  const lines = [
    `model: ${fixturePath('models/llama')}`,
    'method: ppo_clip',
    'global_batch_size: 16',
    'micro_batch_size: 3',
    `max_steps: ${STEPS}`,
    'threads_per_worker: 1',
    'data: { train: rows.jsonl }',
  ];
  writeFileSync(join(directory, 'run.yaml'), `${lines.join('\n')}\n`);
  const train = async (workers: string) => {
    const out = join(directory, `out-${workers}`);
    const args = ['train', join(directory, 'run.yaml'), '--workers', workers, '--out', out];
    const { code, stderr } = await prospect(args);
    assert.equal(code, 0, stderr);
    return {
      metrics: metricsOf(join(out, 'metrics.jsonl')),
      model: readFileSync(join(out, 'model', 'model.safetensors')),
      critic: readFileSync(join(out, 'value_head.safetensors')),
    };
  };
  const one = await train('1');
  const margins = one.metrics.map((row) => row['rewards/margins'] as number);
  assert.equal(margins.length, STEPS);
  assert.equal(margins[0], 0, 'policy and reference begin alike');
  assert.ok(
    margins.at(-1)! > 1e-3 && margins.at(-1)! > margins[STEPS / 2]!,
    `margins: ${margins.join(', ')}`,
  );
  assert.deepEqual(await train('2'), one);

  const out = join(directory, 'out-1');
  const trained = tensorsOf(join(out, 'model', 'model.safetensors'));
  assert.deepEqual(trained, tensorsOf(fixturePath('models/llama/model.safetensors')));
  assert.deepEqual(tensorsOf(join(out, 'value_head.safetensors')), ['v_head.bias 1', 'v_head.weight 1,32']);
  assert.ok(valuesOf(join(out, 'value_head.safetensors'), 'v_head.weight', 32).every((value) => value !== 0));
});

/** All but the time that a step took. */
function metricsOf(file: string): Record<string, unknown>[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => ({ ...(JSON.parse(line) as Record<string, unknown>), step_time_s: null }));
}

/** Names and shapes. */
function tensorsOf(path: string): string[] {
  const file = openSafetensors(path);
  try {
    return [...file.tensors.values()].map(({ name, shape }) => `${name} ${shape.join(',')}`).sort();
  } finally {
    file.close();
  }
}

function valuesOf(path: string, name: string, size: number): Float32Array {
  const file = openSafetensors(path);
  try {
    const values = new Float32Array(size);
    file.read(name, values);
    return values;
  } finally {
    file.close();
  }
}
