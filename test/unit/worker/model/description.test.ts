import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { ConfigError } from '../../../../lib/errors.js';
import { openCheckpoint } from '../../../../lib/safetensors/checkpoint.js';
import { writeSafetensors } from '../../../../lib/safetensors/write.js';
import { describeModel } from '../../../../worker/model/description.js';
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

/** Rewrites the weights: another shape (of the same values) for a tensor, none for `null`, new ones for new names. */
function editTensors(directory: string, shapes: Record<string, readonly number[] | null>): void {
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
    values: () => new Float32Array(shape.reduce((product, dimension) => product * dimension, 1)),
  }));
  checkpoint.close();
  writeSafetensors(join(directory, 'model.safetensors'), sources, {
    dtype: 'F32',
    metadata: { format: 'pt' },
  });
}

function assertRefused(directory: string, message: RegExp): void {
  assert.throws(
    () => describeModel(directory),
    (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes('\n'),
  );
}

test('a Llama with tied embeddings', () => {
  const { config, tensors, eosTokenIds } = describeModel(fixturePath('models/llama'));
  assert.deepEqual(config, {
    architecture: 'LlamaForCausalLM',
    vocabSize: 304,
    hiddenSize: 32,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    intermediateSize: 88,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10_000,
    attentionBias: false,
    mlpBias: false,
    tiedEmbeddings: true,
  });
  assert.deepEqual(eosTokenIds, [1]);
  assert.equal(tensors.length, 2 + 2 * 9);
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  assert.deepEqual(shapes.get('model.embed_tokens.weight'), [304, 32]);
  assert.deepEqual(shapes.get('model.layers.1.self_attn.k_proj.weight'), [16, 32]);
  assert.deepEqual(shapes.get('model.layers.1.mlp.down_proj.weight'), [32, 88]);
  assert.equal(shapes.has('lm_head.weight'), false);
});

test('a sharded Llama with a head of its own', () => {
  const { config, tensors } = describeModel(fixturePath('models/llama_bf16_sharded'));
  assert.equal(config.tiedEmbeddings, false);
  assert.equal(config.ropeTheta, 500_000);
  assert.ok(tensors.some(({ name }) => name === 'lm_head.weight'));
});

test('the config as transformers 5 writes it', (t) => {
  const directory = copyOf(t, 'llama');
  const rope = { rope_type: 'default', rope_theta: 12345 };
  editConfig(directory, { rope_theta: undefined, rope_scaling: undefined, rope_parameters: rope });
  assert.equal(describeModel(directory).config.ropeTheta, 12345);
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
});

test('an architecture that is not supported is named with those that are', (t) => {
  const directory = copyOf(t, 'llama');
  editConfig(directory, { architectures: ['MambaForCausalLM'] });
  assertRefused(directory, /config\.json: architecture MambaForCausalLM is not supported.*LlamaForCausalLM/);
  editConfig(directory, { architectures: ['toString'] });
  assertRefused(directory, /architecture toString is not supported/);
});

for (const [changes, message] of [
  [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /config\.json: rope_scaling.*RoPE scaling/],
  [{ rope_scaling: { type: 'linear', factor: 2 } }, /rope_scaling.*RoPE scaling/],
  [{ rope_parameters: { rope_type: 'yarn', rope_theta: 1e4 } }, /rope_parameters.*RoPE scaling/],
  [{ hidden_act: 'gelu' }, /hidden_act/],
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
    /tensor model\.layers\.2\.mlp\.up_proj\.weight \[88, 32\] is no part of a LlamaForCausalLM/,
  ],
] as const) {
  test(`tensors with ${JSON.stringify(shapes)} are refused`, (t) => {
    const directory = copyOf(t, 'llama');
    editTensors(directory, shapes);
    assertRefused(directory, message);
  });
}

test('a directory without a config, or with a broken one, is refused', (t) => {
  assertRefused(join(tmpdir(), 'prospect-no-such-model'), /config\.json: cannot be read/);
  const directory = copyOf(t, 'llama');
  writeFileSync(join(directory, 'config.json'), '{');
  assertRefused(directory, /config\.json: cannot be read/);
});
