import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { llamaSchema } from '../../../../worker/model/families/llama.js';
import { mistralSchema } from '../../../../worker/model/families/mistral.js';
import { qwen2Schema } from '../../../../worker/model/families/qwen2.js';
import { qwen3Schema } from '../../../../worker/model/families/qwen3.js';
import { fixturePath } from '../../../parity/fixtures.js';

const readConfig = (name: string) =>
  JSON.parse(readFileSync(fixturePath(`models/${name}/config.json`), 'utf8')) as Record<string, unknown>;

const plainRope = { scaling: { type: 'none' }, rotatedShare: null, maxLength: null };

test('a Llama', () => {
  assert.deepEqual(llamaSchema.parse(readConfig('llama')), {
    vocabSize: 304,
    hiddenSize: 32,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    intermediateSize: 88,
    activation: 'silu',
    rmsNormEpsilon: 1e-5,
    rope: { theta: 10_000, ...plainRope },
    tiedEmbeddings: true,
    bias: { queryKeyValue: false, output: false, mlp: false },
    queryKeyNorm: false,
    windows: [null, null],
  });
});

for (const [changes, expected] of [
  [{ rope_theta: 500_000 }, { theta: 500_000, ...plainRope }],
  [
    { rope_theta: undefined, rope_parameters: { rope_type: 'default', rope_theta: 12_345 } },
    { theta: 12_345, ...plainRope },
  ],
  [
    { rope_scaling: { type: 'linear', factor: 2 } },
    { theta: 10_000, ...plainRope, scaling: { type: 'linear', factor: 2 } },
  ],
  [{ rope_scaling: { type: 'dynamic', factor: 2 } }, { theta: 10_000, ...plainRope, maxLength: 128 }],
  [
    {
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
    {
      theta: 10_000,
      ...plainRope,
      scaling: {
        type: 'llama3',
        factor: 8,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalLength: 64,
      },
    },
  ],
] as const) {
  test(`rotary positions by ${JSON.stringify(changes)}`, () => {
    assert.deepEqual(llamaSchema.parse({ ...readConfig('llama'), ...changes }).rope, expected);
  });
}

test('Mistral: the window of all layers, 4096 unless the config says otherwise', () => {
  const config = readConfig('mistral');
  assert.deepEqual(mistralSchema.parse(config).windows, [8, 8]);
  assert.deepEqual(mistralSchema.parse({ ...config, sliding_window: null }).windows, [null, null]);
  assert.deepEqual(mistralSchema.parse({ ...config, sliding_window: undefined }).windows, [4096, 4096]);
});

test('Qwen: windows from a layer on, or as listed, and only where they are switched on', () => {
  const config = { ...readConfig('llama'), num_hidden_layers: 3, sliding_window: 8, max_window_layers: 2 };
  const windows = (changes: object) => qwen2Schema.parse({ ...config, ...changes }).windows;
  assert.deepEqual(windows({}), [null, null, null]);
  assert.deepEqual(windows({ use_sliding_window: true }), [null, null, 8]);
  const layerTypes = ['sliding_attention', 'full_attention', 'full_attention'];
  assert.deepEqual(windows({ use_sliding_window: true, layer_types: layerTypes }), [8, null, null]);
});

test('Qwen 3 has heads of 128 unless the config says otherwise', () => {
  const config = readConfig('llama');
  assert.equal(qwen3Schema.parse(config).headDim, 128);
  assert.equal(qwen3Schema.parse({ ...config, head_dim: 8 }).headDim, 8);
});
