import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';

import { openSafetensors } from '../../lib/safetensors/checkpoint.js';
import { sequenceLogps, type Sequence } from '../../worker/model/language-model.js';
import type { FlatBuffer } from '../../worker/parameters/flat-buffer.js';
import { read } from '../../worker/tensorflow/tensor.js';
import { loadModel, unload, type LoadedModel } from '../unit/worker/model/loaded-model.js';
import { fixturePath, readFixture } from './fixtures.js';

const GOLDEN = 'golden/train_llama_lora';

const run = z
  .object({
    hyper: z.object({ beta: z.number(), desirable_weight: z.number(), undesirable_weight: z.number() }),
    labels: z.array(z.boolean()),
    prompt_ids: z.array(z.array(z.number())),
    completion_ids: z.array(z.array(z.number())),
    steps: z.array(
      z.object({
        kl: z.number(),
        micro: z.array(z.object({ policy_logps: z.array(z.number()), ref_logps: z.array(z.number()) })),
      }),
    ),
  })
  .parse(readFixture(`${GOLDEN}.json`));

const batch: Sequence[] = run.prompt_ids.map((prompt, index) => ({
  ids: Int32Array.from([...prompt, ...run.completion_ids[index]!]),
  completionStart: prompt.length,
}));

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** dLoss/dlogp of each example under KTO (arXiv:2402.01306, equation 8), averaged over the batch. */
function ktoGradient(logps: Float64Array, { kl, micro }: (typeof run.steps)[number]): number[] {
  const { beta, desirable_weight: lambdaD, undesirable_weight: lambdaU } = run.hyper;
  return run.labels.map((desirable, index) => {
    const [sign, weight] = desirable ? [1, lambdaD] : [-1, lambdaU];
    const value = sigmoid(sign * beta * (logps[index]! - micro[0]!.ref_logps[index]! - kl));
    return (-weight * sign * beta * value * (1 - value)) / run.labels.length;
  });
}

/** A golden file's tensors; peft's own names carry the adapter's name. */
function readTensors(path: string): Map<string, Float32Array> {
  const file = openSafetensors(fixturePath(path));
  try {
    return new Map(
      [...file.tensors.values()].map(({ name, size }) => {
        const values = new Float32Array(size);
        file.read(name, values);
        return [name.replace('.default.', '.'), values];
      }),
    );
  } finally {
    file.close();
  }
}

function fill(buffer: FlatBuffer, tensors: ReadonlyMap<string, Float32Array>): void {
  for (const [name, values] of tensors) buffer.named(name).set(values);
}

let loaded: LoadedModel;
before(() => {
  loaded = loadModel(fixturePath('models/llama'), { directory: fixturePath(`${GOLDEN}/adapter_init`) });
});
after(() => unload(loaded));

for (const step of [1, 2]) {
  test(`log-probs and gradients of step ${step} of KTO with an adapter equal TRL's`, () => {
    if (step === 2) fill(loaded.buffer, readTensors(`${GOLDEN}/weights_step1.safetensors`));
    const expected = run.steps[step - 1]!;
    const gradients = new Map<string, Float32Array>();
    const tokenLogps = loaded.model.forwardBackward(
      loaded.weights,
      batch,
      (found) => ktoGradient(sequenceLogps(found), expected),
      { add: ({ name }, gradient) => gradients.set(name, read(gradient)) },
    );
    sequenceLogps(tokenLogps).forEach((logp, index) => {
      const difference = Math.abs(logp - expected.micro[0]!.policy_logps[index]!);
      assert.ok(difference <= 5e-4, `log-prob ${index} is off by ${difference}`);
    });
    const golden = readTensors(`${GOLDEN}/grads_step${step}.safetensors`);
    assert.deepEqual([...gradients.keys()].sort(), [...golden.keys()].sort());
    for (const [name, values] of golden) {
      values.forEach((value, index) => {
        const difference = Math.abs(gradients.get(name)![index]! - value);
        const tolerance = Math.max(1e-5, 1e-3 * Math.abs(value));
        assert.ok(difference <= tolerance, `gradient ${index} of ${name} is off by ${difference}`);
      });
    }
  });
}

test("an adapter is written as peft writes it: the final weights give peft's final file", (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'prospect-lora-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  fill(loaded.buffer, readTensors(`${GOLDEN}/weights_step5.safetensors`));
  const target = join(parent, 'adapter');
  loaded.save(loaded.buffer, target);

  const golden = fixturePath(`${GOLDEN}/adapter_final`);
  const config = (directory: string) =>
    JSON.parse(readFileSync(join(directory, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  // The golden one names its model by a path of the machine that made it; ours names the model that was loaded.
  assert.deepEqual(config(target), {
    ...config(golden),
    base_model_name_or_path: fixturePath('models/llama'),
  });
  const written = openSafetensors(join(target, 'adapter_model.safetensors'));
  try {
    const expected = readTensors(`${GOLDEN}/adapter_final/adapter_model.safetensors`);
    assert.deepEqual([...written.tensors.keys()].sort(), [...expected.keys()].sort());
    for (const [name, values] of expected) {
      const found = new Float32Array(values.length);
      written.read(name, found);
      assert.deepEqual(found, values, name);
    }
  } finally {
    written.close();
  }
});
