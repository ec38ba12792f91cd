import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';

import { scoringBytes, trainingBytes, type PassedModel } from '../../../../worker/estimate/activations.js';
import { ShapeBinding } from '../../../../worker/estimate/shape-binding.js';
import { buildAdapted, describeAdapter, tensorsOf } from '../../../../worker/model/adapter/adapter.js';
import { describeModel } from '../../../../worker/model/description.js';
import { linear } from '../../../../worker/model/linear.js';
import { layOut } from '../../../../worker/parameters/layout.js';
import type { Attribute, Dtype, NativeBinding } from '../../../../worker/tensorflow/binding.js';
import { loadTensorFlow, withBinding } from '../../../../worker/tensorflow/load.js';
import { usedOps } from '../../../../worker/tensorflow/ops.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { loadModel, unload } from '../model/loaded-model.js';

/** TensorFlow itself, with the shapes beside it: they must agree after every op. */
class Beside implements NativeBinding {
  readonly TF_Version: string;
  readonly shapes = new ShapeBinding();
  /** TensorFlow's handle → the other one. */
  private readonly twins = new Map<number, number>();
  areWeights = true;

  constructor(private readonly real: NativeBinding) {
    this.TF_Version = real.TF_Version;
  }

  createTensor(shape: readonly number[], dtype: Dtype, values: Float32Array | Int32Array): number {
    const id = this.real.createTensor(shape, dtype, values);
    const twin = this.areWeights
      ? this.shapes.external(shape)
      : this.shapes.createTensor(shape, dtype, values);
    this.twins.set(id, twin);
    return id;
  }

  deleteTensor(id: number): void {
    this.real.deleteTensor(id);
    this.shapes.deleteTensor(this.twins.get(id)!);
    this.twins.delete(id);
  }

  tensorDataSync(id: number): Float32Array | Int32Array {
    return this.real.tensorDataSync(id);
  }

  executeOp(name: string, attributes: readonly Attribute[], inputs: readonly number[], outputs: number) {
    const results = this.real.executeOp(name, attributes, inputs, outputs);
    const twins = this.shapes.executeOp(
      name,
      attributes,
      inputs.map((id) => this.twins.get(id)!),
    );
    assert.deepEqual(
      twins.map(({ shape }) => shape),
      results.map(({ shape }) => shape),
      name,
    );
    results.forEach(({ id }, index) => this.twins.set(id, twins[index]!.id));
    return results;
  }

  isUsingGpuDevice(): boolean {
    return this.real.isUsingGpuDevice();
  }

  getNumOfTensors(): number {
    return this.real.getNumOfTensors();
  }
}

const apart = { sharePrompts: false, activationMemoryGib: null };
const sequence = (length: number, completionStart: number) => ({
  ids: Int32Array.from({ length }, (_, index) => index % 7),
  completionStart,
});
const leaf = [sequence(19, 4), sequence(23, 20), sequence(9, 1)];

function passedModel(name: string): PassedModel {
  const directory = fixturePath(name);
  if (!name.endsWith('/lora')) {
    const { blueprint, tensors } = describeModel(directory);
    return { architecture: blueprint.build(linear), layout: layOut(tensors) };
  }
  const base = describeModel(dirname(directory));
  const adapter = describeAdapter(base, directory);
  return { architecture: buildAdapted(base, adapter), layout: layOut(tensorsOf(adapter)) };
}

for (const name of [
  'models/gpt2',
  'models/gpt_neox',
  'models/llama',
  'models/mistral',
  'families/gemma2',
  'families/gpt2_bare/lora',
  'families/gpt_neox_sequential',
  'families/qwen3',
  'families/qwen3/lora',
]) {
  describe(`${name}: what a micro-batch takes`, () => {
    test('is what its tensors take when TensorFlow computes them', () => {
      const directory = fixturePath(name);
      const adapter = name.endsWith('/lora') ? { directory } : null;
      const beside = new Beside(loadTensorFlow());
      withBinding(beside, () => {
        const loaded = loadModel(adapter === null ? directory : dirname(directory), adapter);
        beside.areWeights = false;
        loaded.model.tokenLogps(loaded.weights, leaf);
        assert.equal(scoringBytes(passedModel(name), leaf, apart), beside.shapes.peakBytes);
        loaded.model.forwardBackward(loaded.weights, leaf, () => leaf.map(() => -1), {
          add: () => undefined,
        });
        assert.equal(trainingBytes(passedModel(name), leaf, apart), beside.shapes.peakBytes);
        unload(loaded);
      });
    });

    test('grows with the tokens and the sequences, and backward needs more than forward', () => {
      const model = passedModel(name);
      const bytes = trainingBytes(model, leaf, apart);
      assert.ok(trainingBytes(model, [...leaf, sequence(23, 20)], apart) > bytes);
      assert.ok(trainingBytes(model, [...leaf, sequence(24, 20)], apart) > bytes);
      assert.ok(scoringBytes(model, leaf, apart) < bytes);
      assert.ok(trainingBytes(model, leaf, { ...apart, sharePrompts: true }) > bytes);
      assert.ok(scoringBytes(model, leaf, { sharePrompts: true }) > scoringBytes(model, leaf, apart));
    });
  });
}

test('a Llama layer keeps what its backward needs: by hand', () => {
  // 2 layers, hidden 32, 4 heads of 8, 2 of keys, inner 88, vocabulary 304 (models/llama/config.json).
  const [tokens, length] = [23 * 3, 23];
  const attention = 32 + 32 + 32 + 16 + 16 + 4 * length + 32 + 1;
  const mlp = 32 + 32 + 2 * 88 + 1;
  const saved = 2 * tokens * (attention + mlp) * 4;
  const logits = (15 + 3 + 8) * 304 * 4;
  const bytes = trainingBytes(passedModel('models/llama'), leaf, apart);
  assert.ok(
    bytes > saved + logits,
    `${bytes} against ${saved} for what is kept and ${logits} for the logits`,
  );
  assert.ok(bytes < 3 * (saved + logits));
});

test('a budget of activations lowers what a micro-batch takes, layer by layer', () => {
  const { architecture, layout } = passedModel('models/llama');
  const blocks = Array.from({ length: 6 }, () => architecture.blocks).flat();
  const bytesWith = (activationMemoryGib: number | null) =>
    trainingBytes({ architecture: { ...architecture, blocks }, layout }, leaf, {
      ...apart,
      activationMemoryGib,
    });
  const whole = bytesWith(null);
  assert.equal(bytesWith(1), whole);
  const least = bytesWith(1e-9);
  const some = bytesWith((0.5 * whole) / 2 ** 30);
  assert.ok(least < some && some < whole, `${least} with no layer, ${some} with some, ${whole} with all`);
});

test('the shapes of all ops are known', () => {
  const binding = new ShapeBinding();
  for (const op of usedOps) {
    assert.throws(
      () => binding.executeOp(op, [], []),
      (error: Error) => !/is not known/.test(error.message),
      op,
    );
  }
});
