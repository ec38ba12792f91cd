import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

import { RunError } from '../../../../lib/errors.js';
import { openCheckpoint } from '../../../../lib/safetensors/checkpoint.js';
import { describeModel, loadWeights } from '../../../../worker/model/description.js';
import { saveModel } from '../../../../worker/model/save.js';
import type { StoredTensor } from '../../../../worker/model/stored-tensors.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { layOut } from '../../../../worker/parameters/layout.js';
import { fixturePath } from '../../../parity/fixtures.js';

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-save-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function open(directory: string) {
  const description = describeModel(directory);
  const weights = FlatBuffer.allocate(layOut(description.tensors));
  loadWeights(description, weights);
  return { description, weights, valuesOf: ({ name }: StoredTensor) => weights.named(name) };
}

/** Of all tensors in a directory's files. */
function storedNames(directory: string): string[] {
  const checkpoint = openCheckpoint(directory);
  checkpoint.close();
  return [...checkpoint.tensors.keys()].sort();
}

for (const name of ['gpt2', 'gpt_neox', 'llama', 'llama_bf16_sharded', 'mistral']) {
  test(`${name} written and read again is the same model, in float32`, (t) => {
    const source = fixturePath(`models/${name}`);
    const target = join(temporaryDirectory(t), 'deep', 'model');
    const { description, weights, valuesOf } = open(source);
    saveModel(description, valuesOf, target);
    const again = open(target);
    assert.deepEqual(again.description.tensors, description.tensors);
    assert.deepEqual(again.description.config, description.config);
    assert.deepEqual(storedNames(target), storedNames(source));
    for (const place of weights.layout.tensors) {
      assert.deepEqual(again.weights.tensor(place), weights.tensor(place), place.name);
    }
    assert.deepEqual(readdirSync(target).sort(), [
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const json = (directory: string) =>
      JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as Record<string, unknown>;
    const dtypeKey = 'dtype' in json(source) ? 'dtype' : 'torch_dtype';
    assert.deepEqual(json(target), { ...json(source), [dtypeKey]: 'float32' });
    assert.deepEqual(
      readFileSync(join(target, 'tokenizer.json')),
      readFileSync(join(source, 'tokenizer.json')),
    );
    assert.deepEqual(readdirSync(join(target, '..')), ['model']);
  });
}

test('a model takes the place of the one before', (t) => {
  const source = fixturePath('models/llama');
  const parent = temporaryDirectory(t);
  const target = join(parent, 'model');
  mkdirSync(target);
  writeFileSync(join(target, 'stale.txt'), 'old');
  const { description, valuesOf } = open(source);
  saveModel(description, valuesOf, target);
  assert.equal(existsSync(join(target, 'stale.txt')), false);
  assert.deepEqual(readdirSync(parent), ['model']);
  describeModel(target);
});

test('what cannot be written leaves nothing behind, and what was there as it was', (t) => {
  const source = fixturePath('models/llama');
  const parent = temporaryDirectory(t);
  const target = join(parent, 'model');
  mkdirSync(target);
  writeFileSync(join(target, 'old.txt'), 'old');
  const { description, valuesOf } = open(source);
  const unknown = { name: 'unknown', shape: [1], storedAs: 'unknown' };
  const broken = { ...description, tensors: [...description.tensors, unknown] };
  assert.throws(() => saveModel(broken, valuesOf, target));
  assert.deepEqual(readdirSync(parent), ['model']);
  assert.deepEqual(readdirSync(target), ['old.txt']);

  const blocked = join(target, 'old.txt', 'model');
  assert.throws(() => saveModel(description, valuesOf, blocked), RunError);
});

for (const [text, expected] of [
  ['{"a": 3.0, "torch_dtype": "bfloat16"}', '{"a": 3.0, "torch_dtype": "float32"}'],
  [
    '{"a": {"dtype": "int8"}, "dtype": null, "b": 1e-05}',
    '{"a": {"dtype": "int8"}, "dtype": "float32", "b": 1e-05}',
  ],
  ['{"dtype": "float32", "a": {"dtype": "int8"}}', '{"dtype": "float32", "a": {"dtype": "int8"}}'],
  ['{"a": 30.0}', '{\n  "torch_dtype": "float32","a": 30.0}'],
] as const) {
  test(`the config ${text} is written with nothing but its dtype changed`, (t) => {
    const parent = temporaryDirectory(t);
    const source = join(parent, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'config.json'), text);
    const { description, valuesOf } = open(fixturePath('models/llama'));
    const target = join(parent, 'target');
    saveModel({ ...description, directory: source }, valuesOf, target);
    assert.equal(readFileSync(join(target, 'config.json'), 'utf8'), expected);
  });
}
