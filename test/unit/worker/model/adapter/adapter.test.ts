import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { ConfigError } from '../../../../../lib/errors.js';
import { openCheckpoint } from '../../../../../lib/safetensors/checkpoint.js';
import {
  buildAdapted,
  freshAdapter,
  type LoraSettings,
} from '../../../../../worker/model/adapter/adapter.js';
import { mergeAdapter } from '../../../../../worker/model/adapter/merge.js';
import { describeModel } from '../../../../../worker/model/description.js';
import { LanguageModel, type Sequence } from '../../../../../worker/model/language-model.js';
import type { Module } from '../../../../../worker/model/module.js';
import { liveTensors, read } from '../../../../../worker/tensorflow/tensor.js';
import { fixturePath } from '../../../../parity/fixtures.js';
import { gradientOf, loadModel, unload, type LoadedModel } from '../loaded-model.js';

const llama = fixturePath('models/llama');
const given = fixturePath('golden/train_llama_lora/adapter_final');
const queries: LoraSettings = { r: 2, alpha: 3, targetModules: ['q_proj'] };
const batch: Sequence[] = [
  { ids: Int32Array.of(0, 53, 89, 282, 88, 77, 1), completionStart: 3 },
  { ids: Int32Array.of(0, 291, 287), completionStart: 1 },
];

const fresh = (settings: LoraSettings, seed = 7, directory = llama) =>
  loadModel(directory, { fresh: settings, seed });

const namesOf = ({ layout }: LoadedModel) => layout.tensors.map(({ name }) => name);

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-adapter-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

describe('a fresh adapter', () => {
  test('changes nothing yet, to the bit', () => {
    const base = loadModel(llama);
    const adapted = fresh({ ...queries, targetModules: 'all-linear' });
    assert.deepEqual(
      adapted.model.tokenLogps(adapted.weights, batch),
      base.model.tokenLogps(base.weights, batch),
    );
    unload(base);
    unload(adapted);
  });

  test('has its tensors only to train, named as in PEFT', () => {
    const loaded = fresh(queries);
    const prefix = (layer: number) => `base_model.model.model.layers.${layer}.self_attn.q_proj`;
    assert.deepEqual(namesOf(loaded), [
      `${prefix(0)}.lora_A.weight`,
      `${prefix(0)}.lora_B.weight`,
      `${prefix(1)}.lora_A.weight`,
      `${prefix(1)}.lora_B.weight`,
    ]);
    assert.equal(loaded.layout.parameterCount, 2 * (2 * 32 + 32 * 2));
    unload(loaded);
  });

  test('begins with A uniform within 1/√inputs and B zero, by the seed', () => {
    const loaded = fresh({ r: 64, alpha: 64, targetModules: ['down_proj'] });
    const a = loaded.buffer.named('base_model.model.model.layers.0.mlp.down_proj.lora_A.weight');
    const bound = 1 / Math.sqrt(88);
    const largest = Math.max(...a.map(Math.abs));
    assert.ok(largest <= bound && largest > 0.99 * bound, `${largest}, bound ${bound}`);
    const mean = a.reduce((sum, value) => sum + value, 0) / a.length;
    assert.ok(Math.abs(mean) < 0.05 * bound, `mean ${mean}`);
    const b = loaded.buffer.named('base_model.model.model.layers.0.mlp.down_proj.lora_B.weight');
    assert.ok(b.every((value) => value === 0));
    const [values] = loaded.buffer.slices({ start: 0, end: loaded.layout.size });
    const again = (seed: number) => {
      const other = fresh({ r: 64, alpha: 64, targetModules: ['down_proj'] }, seed);
      unload(other);
      return other.buffer.slices({ start: 0, end: loaded.layout.size })[0];
    };
    assert.deepEqual(again(7), values);
    assert.notDeepEqual(again(8), values);
    unload(loaded);
  });

  for (const [directory, layers] of [
    [llama, ['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj']],
    [fixturePath('models/gpt2'), ['c_attn', 'c_fc', 'c_proj']],
    [fixturePath('models/gpt_neox'), ['dense', 'dense_4h_to_h', 'dense_h_to_4h', 'query_key_value']],
  ] as const) {
    test(`on all linear layers but the head: ${layers.join(', ')}`, (t) => {
      const loaded = fresh({ r: 1, alpha: 1, targetModules: 'all-linear' }, 1, directory);
      const target = join(temporaryDirectory(t), 'adapter');
      loaded.save(loaded.buffer, target);
      const { target_modules: targets } = JSON.parse(
        readFileSync(join(target, 'adapter_config.json'), 'utf8'),
      ) as { target_modules: unknown };
      assert.deepEqual(targets, layers);
      assert.ok(namesOf(loaded).every((name) => !name.includes('head') && !name.includes('embed')));
      const again = loadModel(directory, { directory: target });
      assert.deepEqual(namesOf(again), namesOf(loaded));
      unload(loaded);
      unload(again);
    });
  }
});

test('written and read again, an adapter is the same', (t) => {
  const loaded = fresh({ ...queries, targetModules: ['q_proj', 'down_proj'] });
  const [values] = loaded.buffer.slices({ start: 0, end: loaded.layout.size });
  values!.forEach((_, index) => (values![index] = Math.sin(index)));
  const target = join(temporaryDirectory(t), 'adapter');
  loaded.save(loaded.buffer, target);
  assert.deepEqual(readdirSync(target).sort(), [
    'adapter_config.json',
    'adapter_model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const again = loadModel(llama, { directory: target });
  for (const place of loaded.layout.tensors) {
    assert.deepEqual(again.buffer.named(place.name), loaded.buffer.tensor(place), place.name);
  }
  assert.deepEqual(
    again.model.tokenLogps(again.weights, batch),
    loaded.model.tokenLogps(loaded.weights, batch),
  );
  unload(loaded);
  unload(again);
});

test('an adapter of the upper layer only has the same gradients as one of both', () => {
  const upper = fresh({ ...queries, targetModules: ['layers.1.self_attn.q_proj'] });
  const both = fresh(queries);
  for (const name of namesOf(upper)) {
    const values = both.buffer.named(name);
    values.forEach((_, index) => (values[index] = Math.sin(index)));
    upper.buffer.named(name).set(values);
  }
  const gradients = ({ model, weights }: LoadedModel) => {
    const found = new Map<string, Float32Array>();
    model.forwardBackward(weights, batch, () => [1, -2], {
      add: ({ name }, gradient) => found.set(name, read(gradient)),
    });
    return found;
  };
  const ofBoth = gradients(both);
  const ofUpper = gradients(upper);
  assert.equal(ofUpper.size, 2);
  for (const [name, gradient] of ofUpper) assert.deepEqual(gradient, ofBoth.get(name), name);
  unload(upper);
  unload(both);
});

test('no gradient of a frozen weight is computed, and no block below the lowest adapter is gone through', () => {
  const description = describeModel(llama);
  const settings = { ...queries, targetModules: ['layers.1.self_attn.q_proj'] };
  const { adapter, buffer } = freshAdapter(description, settings, 1);
  const whole = loadModel(llama);

  const computed: string[] = [];
  const gone: number[] = [];
  const architecture = buildAdapted(description, adapter);
  const blocks = architecture.blocks.map((block, index): Module => {
    const backward: Module['backward'] = (pass, saved, gradient, emit) => {
      gone.push(index);
      return block.backward(pass, saved, gradient, (name, compute) =>
        emit(name, () => {
          computed.push(name);
          return compute();
        }),
      );
    };
    return { ...block, backward };
  });
  const model = new LanguageModel({ ...architecture, blocks }, buffer.layout, whole.weights);
  const weights = model.bind(buffer);
  model.forwardBackward(weights, batch, () => [1, -2], { add: () => undefined });
  assert.deepEqual(gone, [1]);
  assert.deepEqual(
    computed.sort(),
    buffer.layout.tensors.map(({ name }) => name),
  );
  weights.dispose();
  unload(whole);
});

test('an adapter and its frozen model leave no tensor behind', () => {
  const start = liveTensors();
  const loaded = loadModel(llama, { directory: given });
  const open = liveTensors();
  loaded.model.logps(loaded.weights, batch);
  gradientOf(loaded, batch);
  // The gradients were collected through tensors over memory, which are freed as well.
  assert.equal(liveTensors(), open);
  unload(loaded);
  assert.equal(liveTensors(), start);
});

describe('merging', () => {
  for (const [base, adapter] of [
    [llama, given],
    [fixturePath('families/gpt2_bare'), fixturePath('families/gpt2_bare/lora')],
    [fixturePath('families/gpt_neox_sequential'), fixturePath('families/gpt_neox_sequential/lora')],
  ] as const) {
    test(`gives a model that computes what ${base.split('/').at(-1)} with its adapter does`, (t) => {
      const target = join(temporaryDirectory(t), 'merged');
      const adapted = loadModel(base, { directory: adapter });
      mergeAdapter(base, adapter, target);
      const merged = loadModel(target);
      const small = batch.map(({ ids, ...rest }) => ({ ids: ids.map((id) => id % 64), ...rest }));
      const expected = adapted.model.logps(adapted.weights, small);
      merged.model.logps(merged.weights, small).forEach((logp, index) => {
        const difference = Math.abs(logp - expected[index]!);
        assert.ok(difference < 1e-4, `sequence ${index} is off by ${difference}`);
      });
      unload(adapted);
      unload(merged);

      const names = (directory: string) => {
        const checkpoint = openCheckpoint(directory);
        checkpoint.close();
        return [...checkpoint.tensors.keys()].sort();
      };
      assert.deepEqual(names(target), names(base));
    });
  }
});

describe('refused', () => {
  function assertRefused(load: () => LoadedModel, message: RegExp): void {
    assert.throws(
      load,
      (error) => error instanceof ConfigError && message.test(error.message) && !error.message.includes('\n'),
    );
  }

  test('a target that is no linear layer', () => {
    const settings = (target: string) => ({ ...queries, targetModules: ['q_proj', target] });
    const message = /"query" fits no linear layer of the model; it has down_proj, gate_proj, k_proj/;
    assertRefused(() => fresh(settings('query')), message);
    assertRefused(() => fresh(settings('lm_head')), /"lm_head" fits no linear layer/);
    // Names end at dots.
    assertRefused(() => fresh(settings('proj')), /"proj" fits no linear layer/);
  });

  for (const [changes, message] of [
    [{ peft_type: 'IA3' }, /adapter_config\.json: peft_type: only LORA adapters are supported/],
    [{ use_dora: true }, /adapter_config\.json: use_dora true is not supported/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save \["lm_head"\] is not supported/],
    [{ rank_pattern: { q_proj: 8 } }, /rank_pattern \{"q_proj":8\} is not supported/],
    [{ bias: 'all' }, /bias: adapters that train biases are not supported/],
    [{ init_lora_weights: 'pissa' }, /init_lora_weights: this way to begin changes the base model/],
    [{ of_the_future: 1 }, /of_the_future 1 is not supported/],
    [{ target_modules: '(' }, /"\(" is no regular expression/],
    [{ target_modules: '.*query' }, /"\.\*query" fits no linear layer/],
    [
      { r: 8 },
      /q_proj\.lora_A\.weight has shape \[4, 32\], adapter_config\.json with this model makes it \[8, 32\]/,
    ],
    [{ target_modules: ['q_proj'] }, /v_proj\.lora_A\.weight" \[4, 32\] is no part of this adapter/],
    [
      { target_modules: ['q_proj', 'k_proj', 'v_proj'] },
      /k_proj\.lora_A\.weight \[4, 32\] is missing from its weights/,
    ],
  ] as const) {
    test(`an adapter with ${JSON.stringify(changes)}`, (t) => {
      const directory = temporaryDirectory(t);
      cpSync(given, directory, { recursive: true });
      const path = join(directory, 'adapter_config.json');
      const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      writeFileSync(path, JSON.stringify({ ...config, ...changes }));
      assertRefused(() => loadModel(llama, { directory }), message);
    });
  }

  test('a directory that holds no adapter', () => {
    assertRefused(
      () => loadModel(llama, { directory: llama }),
      /adapter_config\.json: cannot be read .*; give the directory of a PEFT adapter/,
    );
  });
});
