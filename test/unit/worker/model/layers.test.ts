import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { gelu, geluTanh, silu } from '../../../../worker/model/activation.js';
import { loraLinears } from '../../../../worker/model/adapter/lora-linear.js';
import { attention } from '../../../../worker/model/attention.js';
import { parallelBlock, preNormBlock } from '../../../../worker/model/block.js';
import { embedding, scaledEmbedding, withPositions } from '../../../../worker/model/embedding.js';
import { head } from '../../../../worker/model/head.js';
import { fusedHeads, normedHeads, separateHeads, type FusedOrder } from '../../../../worker/model/heads.js';
import { layerNorm } from '../../../../worker/model/layer-norm.js';
import { linear } from '../../../../worker/model/linear.js';
import { gatedMlp, mlp } from '../../../../worker/model/mlp.js';
import type { Module } from '../../../../worker/model/module.js';
import { rmsNorm } from '../../../../worker/model/rms-norm.js';
import { rotate, rotateBackward } from '../../../../worker/model/rope.js';
import { reshape } from '../../../../worker/tensorflow/ops.js';
import { floats, read, scope } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';
import { assertGradients, dot, type Values } from './finite-differences.js';
import { linearModule } from './linear-module.js';
import { assertModuleGradients, collector, passOver, randomValues } from './module-gradients.js';

const shape = { lengths: [3, 5, 2], features: 8, rotated: 4 };

const layer = (name: string, inputs: number, outputs: number, bias = false) =>
  linear({ name, inputs, outputs, bias, storage: 'outputs-first' });

/** Attention with a layer each for query, key and value. */
function separate(heads: number, kvHeads: number, options: { bias?: boolean; window?: number } = {}) {
  const { bias = false, window = null } = options;
  const projection = separateHeads({
    query: layer('query', 8, 4 * heads, bias),
    key: layer('key', 8, 4 * kvHeads, bias),
    value: layer('value', 8, 4 * kvHeads, bias),
    heads,
    kvHeads,
  });
  const output = layer('output', 4 * heads, 8, bias);
  return { projection, output, heads, kvHeads, headDim: 4, window };
}

function fused(order: FusedOrder) {
  return {
    projection: fusedHeads(layer('fused', 8, 3 * 8, true), 2, order),
    output: layer('output', 8, 8),
    heads: 2,
    kvHeads: 2,
    headDim: 4,
  };
}

const smallMlp = () =>
  gatedMlp({ gate: layer('gate', 8, 6), activation: silu, up: layer('up', 8, 6), down: layer('down', 6, 8) });

describe('the backward of every layer equals finite differences of its forward', () => {
  for (const bias of [false, true]) {
    const suffix = bias ? ' with bias' : '';
    for (const storage of ['outputs-first', 'inputs-first'] as const) {
      test(`linear, ${storage}${suffix}`, (t) => {
        const module = linearModule(linear({ name: 'layer', inputs: 8, outputs: 3, bias, storage }));
        assertModuleGradients(module, shape, testRandom(t));
      });
    }

    for (const storage of ['outputs-first', 'inputs-first'] as const) {
      test(`linear with an adapter, ${storage}${suffix}`, (t) => {
        const adapted = loraLinears(new Set(['layer']), { r: 2, scale: 1.5 });
        const module = linearModule(adapted({ name: 'layer', inputs: 8, outputs: 3, bias, storage }));
        assert.equal(module.parameters.length, bias ? 4 : 3);
        assertModuleGradients(module, shape, testRandom(t));
      });
    }

    test(`attention, two query heads to a key head${suffix}`, (t) => {
      assertModuleGradients(attention(separate(4, 2, { bias })), shape, testRandom(t));
    });

    test(`gated MLP${suffix}`, (t) => {
      const module = gatedMlp({
        gate: layer('gate', 8, 6, bias),
        activation: silu,
        up: layer('up', 8, 6, bias),
        down: layer('down', 6, 8, bias),
      });
      assertModuleGradients(module, shape, testRandom(t));
    });
  }

  test('attention, one key head', (t) => {
    assertModuleGradients(attention(separate(3, 1)), shape, testRandom(t));
  });

  for (const blockLength of [1, 2]) {
    const blocks = `in blocks of ${blockLength}`;
    test(`attention ${blocks}, two query heads to a key head`, (t) => {
      assertModuleGradients(attention(separate(4, 2)), { ...shape, blockLength }, testRandom(t));
    });

    test(`attention ${blocks} with a sliding window and bounded scores`, (t) => {
      const module = attention({ ...separate(2, 1, { window: 2 }), scoreCap: 0.8 });
      assertModuleGradients(module, { ...shape, blockLength }, testRandom(t));
    });
  }

  test('attention with a sliding window', (t) => {
    assertModuleGradients(attention(separate(2, 1, { window: 2 })), shape, testRandom(t));
  });

  test('attention with bounded scores and a scale of its own', (t) => {
    const module = attention({ ...separate(2, 1), scale: 0.7, scoreCap: 0.8 });
    assertModuleGradients(module, shape, testRandom(t));
  });

  test('attention with norms of queries and keys', (t) => {
    const { projection, ...others } = separate(4, 2);
    const normed = normedHeads(projection, rmsNorm('query_norm', 4, 1e-5), rmsNorm('key_norm', 4, 1e-5));
    assertModuleGradients(attention({ projection: normed, ...others }), shape, testRandom(t));
  });

  for (const order of ['by-kind', 'by-head'] as const) {
    test(`attention with one fused layer, ${order}, without rotary positions`, (t) => {
      assertModuleGradients(attention(fused(order)), { ...shape, rotated: 0 }, testRandom(t));
    });
  }

  test('attention that turns a part of the features', (t) => {
    assertModuleGradients(attention(fused('by-head')), { ...shape, rotated: 2 }, testRandom(t));
  });

  for (const [name, activation] of Object.entries({ silu, gelu, geluTanh })) {
    test(`MLP, ${name}`, (t) => {
      const module = mlp(layer('up', 8, 6, true), activation, layer('down', 6, 8, true));
      assertModuleGradients(module, shape, testRandom(t));
    });
  }

  for (const unitOffset of [false, true]) {
    test(`RMSNorm${unitOffset ? ' with factors around 1' : ''}`, (t) => {
      assertModuleGradients(rmsNorm('layer', 8, 1e-5, { unitOffset }), shape, testRandom(t));
    });
  }

  test('LayerNorm', (t) => {
    assertModuleGradients(layerNorm('layer', 8, 1e-5), shape, testRandom(t));
  });

  for (const rotated of [4, 2]) {
    test(`rotary positions, ${rotated} of 4 features`, (t) => {
      const byHead = [2, 5, 4];
      const rotation: Module<null> = {
        parameters: [],
        forward: (pass, input) => ({ output: rotate(reshape(input, byHead), pass.rope!), saved: null }),
        backward: (pass, _saved, gradient) => rotateBackward(gradient, pass.rope!),
      };
      assertModuleGradients(rotation, { lengths: [5, 5], features: 4, rotated }, testRandom(t));
    });
  }

  for (const [name, joined] of Object.entries({ preNormBlock, parallelBlock })) {
    test(`a whole block: ${name}`, (t) => {
      const block = joined({
        attentionNorm: rmsNorm('norm1', 8, 1e-5),
        attention: attention(separate(4, 2)),
        mlpNorm: layerNorm('norm2', 8, 1e-5),
        mlp: smallMlp(),
      });
      assertModuleGradients(block, shape, testRandom(t));
    });
  }

  for (const [targetsPerChunk, logitCap, keepsScores] of [
    [100, null, true],
    [3, null, true],
    [3, null, false],
    [100, 1.5, true],
    [3, 1.5, true],
    [3, 1.5, false],
  ] as const) {
    const how = `logits bounded by ${logitCap ?? 'nothing'}, ${keepsScores ? 'kept' : 'computed again'}`;
    test(`head, ${targetsPerChunk} targets to a chunk, ${how}`, (t) => {
      const random = testRandom(t);
      const weight = { name: 'vocabulary', shape: [11, 8] };
      const layer = head(rmsNorm('norm', 8, 1e-5), weight, { targetsPerChunk, logitCap });
      const targets = { rows: Int32Array.of(0, 1, 2, 3, 6, 7, 8), labels: random.integers(7, 11) };
      const coefficients = random.floats(targets.rows.length);
      const specs = [...layer.parameters, weight, { name: 'input', shape: [10, 8] }];
      const values = randomValues(specs, random);
      const value = (at: Values) =>
        scope(() => {
          const pass = passOver(at, specs, shape);
          return dot(layer.forward(pass, pass.weight('input'), targets, false).logps, coefficients);
        });
      const gradients = (at: Values) =>
        scope(() => {
          const pass = passOver(at, specs, shape);
          const { gradients, emit } = collector();
          const { saved } = layer.forward(pass, pass.weight('input'), targets, keepsScores);
          const found = layer.backward(pass, saved, targets, coefficients, true, emit);
          return gradients
            .set('input', read(found.inputGradient))
            .set(weight.name, read(found.weightGradient!));
        });
      assertGradients({ value, gradients }, values, random);
    });
  }

  const table = embedding('table', 6, 8);
  for (const [name, layer] of Object.entries({
    'embedding, tokens repeated': table,
    'embedding times a constant': scaledEmbedding(table, 3),
    'embedding with learned positions': withPositions(table, 'positions', 7),
  })) {
    test(name, (t) => {
      const random = testRandom(t);
      const ids = Int32Array.of(3, 0, 3, 5, 3, 1, 0, 3, 5, 5);
      const coefficients = random.floats(ids.length * 8);
      const specs = layer.parameters;
      const value = (at: Values) =>
        scope(() => dot(read(layer.forward(passOver(at, specs, shape), ids)), coefficients));
      const gradients = (at: Values) =>
        scope(() => {
          const { gradients, emit } = collector();
          const ofOutput = floats([ids.length, 8], coefficients);
          layer.backward(passOver(at, specs, shape), ids, ofOutput, null, emit);
          return gradients;
        });
      assertGradients({ value, gradients }, randomValues(specs, random), random);
    });
  }

  test('a tied embedding adds its gradient to the head’s', (t) => {
    const random = testRandom(t);
    const layer = embedding('table', 3, 2);
    const ofHead = random.floats(6);
    const ofRows = random.floats(4);
    const expected = [...ofHead];
    [4, 5, 0, 1].forEach(
      (place, index) => (expected[place] = Math.fround(expected[place]! + ofRows[index]!)),
    );
    const { gradients, emit } = collector();
    const values = randomValues([layer.weight], random);
    // In place: the values of `ofHead` may be gone afterwards.
    scope(() =>
      layer.backward(
        passOver(values, [layer.weight], shape),
        Int32Array.of(2, 0),
        floats([2, 2], ofRows),
        floats([3, 2], ofHead),
        emit,
      ),
    );
    assert.deepEqual([...gradients.get('table')!], expected);
  });
});
