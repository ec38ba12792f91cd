import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { ConfigError } from '../../../../lib/errors.js';
import { openCheckpoint } from '../../../../lib/safetensors/checkpoint.js';
import { writeSafetensors } from '../../../../lib/safetensors/write.js';
import { describeModel, loadWeights } from '../../../../worker/model/description.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { elementCount, layOut } from '../../../../worker/parameters/layout.js';
import { fixturePath } from '../../../parity/fixtures.js';

function copyOf(t: TestContext, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-model-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  cpSync(fixturePath(`models/${name}`), directory, { recursive: true });
  return directory;
}

function editConfig(directory: string, changes: Record<string, unknown>): void {
  const path = join(directory, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...config, ...changes }));
}

/** Rewrites the weights, zeros unless given: another shape for a tensor, none for `null`, new ones for new names. */
function editTensors(
  directory: string,
  shapes: Record<string, readonly number[] | null>,
  values: Record<string, Float32Array> = {},
): void {
  const checkpoint = openCheckpoint(directory);
  const all = new Map(
    [...checkpoint.tensors].map(([name, { shape }]): [string, readonly number[]] => [name, shape]),
  );
  for (const [name, shape] of Object.entries(shapes)) {
    if (shape === null) all.delete(name);
    else all.set(name, shape);
  }
  const sources = [...all].map(([name, shape]) => ({
    name,
    shape,
    values: () => values[name] ?? new Float32Array(elementCount(shape)),
  }));
  checkpoint.close();
  writeSafetensors(join(directory, 'model.safetensors'), sources, {
    dtype: 'F32',
    metadata: { format: 'pt' },
  });
}

function renameTensors(directory: string, rename: (name: string) => string): void {
  const checkpoint = openCheckpoint(directory);
  const sources = [...checkpoint.tensors.values()].map(({ name, shape, size }) => ({
    name: rename(name),
    shape,
    values: () => new Float32Array(size),
  }));
  checkpoint.close();
  writeSafetensors(join(directory, 'model.safetensors'), sources, { dtype: 'F32', metadata: {} });
}

function assertRefused(directory: string, message: RegExp): void {
  assert.throws(
    () => describeModel(directory),
    (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes('\n'),
  );
}

test('a Llama with tied embeddings', () => {
  const { config, tensors, eosTokenIds } = describeModel(fixturePath('models/llama'));
  assert.deepEqual(config, { architecture: 'LlamaForCausalLM', vocabSize: 304, maxLength: null });
  assert.deepEqual(eosTokenIds, [1]);
  assert.equal(tensors.length, 2 + 2 * 9);
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  assert.deepEqual(shapes.get('model.embed_tokens.weight'), [304, 32]);
  assert.deepEqual(shapes.get('model.layers.1.self_attn.k_proj.weight'), [16, 32]);
  assert.deepEqual(shapes.get('model.layers.1.mlp.down_proj.weight'), [32, 88]);
  assert.equal(shapes.has('lm_head.weight'), false);
});

test('a sharded Llama with a head of its own', () => {
  const { tensors } = describeModel(fixturePath('models/llama_bf16_sharded'));
  assert.ok(tensors.some(({ name }) => name === 'lm_head.weight'));
});

test('a GPT-2 has a longest sequence', () => {
  const { config } = describeModel(fixturePath('models/gpt2'));
  assert.deepEqual(config, { architecture: 'GPT2LMHeadModel', vocabSize: 304, maxLength: 128 });
});

test('generation_config.json decides what ends a reply', (t) => {
  const directory = copyOf(t, 'llama');
  writeFileSync(join(directory, 'generation_config.json'), '{"eos_token_id": [5, 6]}');
  assert.deepEqual(describeModel(directory).eosTokenIds, [5, 6]);
  writeFileSync(join(directory, 'generation_config.json'), '{}');
  assert.deepEqual(describeModel(directory).eosTokenIds, [1]);
});

test('biases are parameters where the config says so', (t) => {
  const directory = copyOf(t, 'llama');
  editConfig(directory, { attention_bias: true, mlp_bias: true });
  assertRefused(directory, /tensor model\.layers\.0\.self_attn\.q_proj\.bias \[32\] is missing/);
});

test('copies and buffers that some files hold beside the parameters are passed over', (t) => {
  const directory = copyOf(t, 'llama');
  editTensors(directory, {
    'lm_head.weight': [304, 32],
    'model.layers.0.self_attn.rotary_emb.inv_freq': [4],
  });
  assert.equal(describeModel(directory).tensors.length, 20);

  const gpt2 = copyOf(t, 'gpt2');
  editTensors(gpt2, {
    'transformer.h.0.attn.bias': [1, 1, 128, 128],
    'transformer.h.0.attn.masked_bias': [],
  });
  assert.equal(describeModel(gpt2).tensors.length, 28);

  const gptNeox = copyOf(t, 'gpt_neox');
  editTensors(gptNeox, {
    'gpt_neox.layers.0.attention.bias': [1, 1, 128, 128],
    'gpt_neox.layers.0.attention.rotary_emb.inv_freq': [2],
  });
  assert.equal(describeModel(gptNeox).tensors.length, 28);
});

test('a second copy of a tied weight must be equal to the first', (t) => {
  const directory = copyOf(t, 'llama');
  // All zeros, so the copies are equal.
  editTensors(directory, { 'lm_head.weight': [304, 32] });
  const load = () => {
    const description = describeModel(directory);
    loadWeights(description, FlatBuffer.allocate(layOut(description.tensors)));
  };
  load();
  const values = { 'lm_head.weight': new Float32Array(304 * 32).fill(1) };
  editTensors(directory, { 'lm_head.weight': [304, 32] }, values);
  assert.throws(load, /model\.embed_tokens\.weight and lm_head\.weight differ, but config\.json ties them/);
});

test('tensors by their older names, or those of the bare base model', (t) => {
  const storedAs = (directory: string) =>
    new Map(describeModel(directory).tensors.map((tensor) => [tensor.name, tensor.storedAs]));
  const gpt2 = copyOf(t, 'gpt2');
  renameTensors(gpt2, (name) => name.replace('transformer.', ''));
  assert.equal(storedAs(gpt2).get('transformer.h.1.attn.c_attn.weight'), 'h.1.attn.c_attn.weight');
  const gptNeox = copyOf(t, 'gpt_neox');
  renameTensors(gptNeox, (name) => name.replace('lm_head', 'embed_out'));
  assert.equal(storedAs(gptNeox).get('lm_head.weight'), 'embed_out.weight');
  const llama = copyOf(t, 'llama');
  renameTensors(llama, (name) => name.replace('model.embed_tokens', 'lm_head'));
  assert.equal(storedAs(llama).get('model.embed_tokens.weight'), 'lm_head.weight');
});

test('an architecture that is not supported is named with those that are', (t) => {
  const directory = copyOf(t, 'llama');
  editConfig(directory, { architectures: ['MambaForCausalLM'] });
  assertRefused(
    directory,
    /config\.json: architecture MambaForCausalLM is not supported; supported are: GPT2LMHeadModel, .*LlamaForCausalLM/,
  );
  editConfig(directory, { architectures: ['toString'] });
  assertRefused(directory, /architecture toString is not supported/);
});

for (const [changes, message] of [
  [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /config\.json: rope_scaling: low_freq_factor/],
  [{ rope_scaling: { type: 'linear' } }, /config\.json: rope_scaling: factor/],
  [{ rope_parameters: { rope_type: 'yarn', rope_theta: 1e4 } }, /rope_parameters.*RoPE scaling.*llama3/],
  [{ rope_parameters: { partial_rotary_factor: 0.5 } }, /partial_rotary_factor is not supported/],
  [{ rope_parameters: { full_attention: { rope_theta: 1e6 } } }, /rope_parameters: full_attention: rotary/],
  [{ hidden_act: 'relu' }, /hidden_act/],
  [{ num_hidden_layers: 'two' }, /num_hidden_layers/],
  [{ num_key_value_heads: 3 }, /num_attention_heads must be a multiple of num_key_value_heads/],
  [{ head_dim: 7 }, /head_dim/],
  [{ architectures: [] }, /architectures/],
] as const) {
  test(`the config value ${JSON.stringify(changes)} is refused`, (t) => {
    const directory = copyOf(t, 'llama');
    editConfig(directory, changes);
    assertRefused(directory, message);
  });
}

for (const [shapes, message] of [
  [
    { 'model.layers.1.mlp.up_proj.weight': null },
    /tensor model\.layers\.1\.mlp\.up_proj\.weight \[88, 32\] is missing/,
  ],
  [
    { 'model.norm.weight': [31] },
    /tensor model\.norm\.weight has shape \[31\], config\.json makes it \[32\]/,
  ],
  [
    { 'model.layers.2.mlp.up_proj.weight': [88, 32] },
    /tensor "model\.layers\.2\.mlp\.up_proj\.weight" \[88, 32\] is no part of a LlamaForCausalLM/,
  ],
] as const) {
  test(`tensors with ${JSON.stringify(shapes)} are refused`, (t) => {
    const directory = copyOf(t, 'llama');
    editTensors(directory, shapes);
    assertRefused(directory, message);
  });
}

test('a directory without a config, or with a broken one, is refused', (t) => {
  assertRefused(join(tmpdir(), 'prospect-no-such-model'), /there is no directory .*no-such-model: /);
  const directory = copyOf(t, 'llama');
  writeFileSync(join(directory, 'config.json'), '{');
  assertRefused(directory, /config\.json: cannot be read/);
});
