import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { attention } from '../../../../worker/model/attention.js';
import { preNormBlock } from '../../../../worker/model/block.js';
import { embedding } from '../../../../worker/model/embedding.js';
import { head } from '../../../../worker/model/head.js';
import { linear } from '../../../../worker/model/linear.js';
import type { Module } from '../../../../worker/model/module.js';
import { rmsNorm } from '../../../../worker/model/rms-norm.js';
import { rotate, rotateBackward } from '../../../../worker/model/rope.js';
import { swiglu } from '../../../../worker/model/swiglu.js';
import { reshape } from '../../../../worker/tensorflow/ops.js';
import { floats, read, scope, type Tensor } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';
import { assertGradients, dot, type Values } from './finite-differences.js';
import { assertModuleGradients, collector, passOver, randomValues } from './module-gradients.js';

const shape = { batch: 2, length: 5, features: 8, headDim: 4 };

describe('the backward of every layer equals finite differences of its forward', () => {
  for (const bias of [false, true]) {
    const suffix = bias ? ' with bias' : '';
    test(`linear${suffix}`, (t) => {
      const layer = linear('layer', 8, 3, bias);
      const asModule: Module<Tensor> = {
        parameters: layer.parameters,
        forward: (pass, input) => ({ output: layer.forward(pass, input), saved: input }),
        backward: (pass, saved, gradient, emit) => layer.backward(pass, saved, gradient, emit),
      };
      assertModuleGradients(asModule, shape, testRandom(t));
    });

    test(`attention, two query heads to a key head${suffix}`, (t) => {
      const heads = { hiddenSize: 8, heads: 4, kvHeads: 2, headDim: 4, bias };
      assertModuleGradients(attention('layer', heads), shape, testRandom(t));
    });

    test(`SwiGLU${suffix}`, (t) => {
      assertModuleGradients(swiglu('layer', 8, 6, bias), shape, testRandom(t));
    });
  }

  test('attention, one key head', (t) => {
    const heads = { hiddenSize: 8, heads: 3, kvHeads: 1, headDim: 4, bias: false };
    assertModuleGradients(attention('layer', heads), shape, testRandom(t));
  });

  test('RMSNorm', (t) => {
    assertModuleGradients(rmsNorm('layer', 8, 1e-5), shape, testRandom(t));
  });

  test('rotary positions', (t) => {
    const byHead = [2, 5, 4];
    const rotation: Module<null> = {
      parameters: [],
      forward: (pass, input) => ({ output: rotate(reshape(input, byHead), pass.rope), saved: null }),
      backward: (pass, _saved, gradient) => rotateBackward(gradient, pass.rope),
    };
    assertModuleGradients(rotation, { ...shape, features: 4 }, testRandom(t));
  });

  test('a whole block', (t) => {
    const block = preNormBlock({
      attentionNorm: rmsNorm('norm1', 8, 1e-5),
      attention: attention('attention', { hiddenSize: 8, heads: 4, kvHeads: 2, headDim: 4, bias: false }),
      mlpNorm: rmsNorm('norm2', 8, 1e-5),
      mlp: swiglu('mlp', 8, 6, false),
    });
    assertModuleGradients(block, shape, testRandom(t));
  });

  for (const targetsPerChunk of [100, 3]) {
    test(`head, ${targetsPerChunk} targets to a chunk`, (t) => {
      const random = testRandom(t);
      const weight = { name: 'vocabulary', shape: [11, 8] };
      const layer = head(rmsNorm('norm', 8, 1e-5), weight, targetsPerChunk);
      const targets = { rows: Int32Array.of(0, 1, 2, 3, 6, 7, 8), labels: random.integers(7, 11) };
      const coefficients = random.floats(targets.rows.length);
      const specs = [...layer.parameters, weight, { name: 'input', shape: [10, 8] }];
      const values = randomValues(specs, random);
      const value = (at: Values) =>
        scope(() => {
          const pass = passOver(at, specs, shape);
          return dot(layer.forward(pass, pass.weight('input'), targets).logps, coefficients);
        });
      const gradients = (at: Values) =>
        scope(() => {
          const pass = passOver(at, specs, shape);
          const { gradients, emit } = collector();
          const { saved } = layer.forward(pass, pass.weight('input'), targets);
          const found = layer.backward(pass, saved, targets, coefficients, emit);
          return gradients
            .set('input', read(found.inputGradient))
            .set(weight.name, read(found.weightGradient));
        });
      assertGradients({ value, gradients }, values, random);
    });
  }

  test('embedding, tokens repeated', (t) => {
    const random = testRandom(t);
    const layer = embedding('table', 6, 8);
    const ids = Int32Array.of(3, 0, 3, 5, 3, 1, 0, 3, 5, 5);
    const coefficients = random.floats(ids.length * 8);
    const specs = [layer.weight];
    const value = (at: Values) =>
      scope(() => dot(read(layer.forward(passOver(at, specs, shape), ids)), coefficients));
    const gradients = () =>
      scope(() => {
        const { gradients, emit } = collector();
        layer.backward(ids, floats([ids.length, 8], coefficients), null, emit);
        return gradients;
      });
    assertGradients({ value, gradients }, randomValues(specs, random), random);
  });

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
    // In place: the values of `ofHead` may be gone afterwards.
    scope(() => layer.backward(Int32Array.of(2, 0), floats([2, 2], ofRows), floats([3, 2], ofHead), emit));
    assert.deepEqual([...gradients.get('table')!], expected);
  });
});
