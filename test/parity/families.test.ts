import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';

import { sequenceLogps, type Sequence } from '../../worker/model/language-model.js';
import { read } from '../../worker/tensorflow/tensor.js';
import { gradientOf, loadModel, unload, type LoadedModel } from '../unit/worker/model/loaded-model.js';
import { fixturePath, readFixture } from './fixtures.js';

/** See python/make_families.py. */
const facts = z.object({
  sequences: z.array(z.object({ ids: z.array(z.number()), completion_start: z.number() })),
  token_logps: z.array(z.array(z.number())),
  logits: z.array(z.object({ sequence: z.number(), token: z.number(), values: z.array(z.number()) })),
  loss: z.number(),
  gradients: z.record(
    z.string(),
    z.object({ norm: z.number(), entries: z.array(z.tuple([z.number(), z.number()])) }),
  ),
});

function assertClose(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, transformers ${expected}`);
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

for (const name of [
  'gemma2',
  'gpt2_bare',
  'gpt2_bare/lora',
  'gpt_neox_sequential',
  'gpt_neox_sequential/lora',
  'llama3',
  'llama_linear',
  'qwen2',
  'qwen3',
  'qwen3/lora',
]) {
  describe(`${name} equals ${name.endsWith('/lora') ? 'peft' : 'transformers'}`, () => {
    const expected = facts.parse(readFixture(`families/${name}/facts.json`));
    const batch = expected.sequences.map(({ ids, completion_start: completionStart }): Sequence => ({
      ids: Int32Array.from(ids),
      completionStart,
    }));
    let loaded: LoadedModel;
    before(() => {
      const directory = fixturePath(`families/${name}`);
      loaded = directory.endsWith('/lora')
        ? loadModel(dirname(directory), { directory })
        : loadModel(directory);
    });
    after(() => unload(loaded));

    test('logits', () => {
      const { model, weights } = loaded;
      const ids = batch.map((sequence) => sequence.ids);
      const logits = model.logits(weights, ids, expected.logits);
      expected.logits.forEach(({ sequence, token, values }, index) => {
        assert.equal(logits[index]!.length, values.length);
        values.forEach((value, entry) =>
          assertClose(logits[index]![entry]!, value, 1e-4, `logit ${entry} of ${sequence} at ${token}`),
        );
      });
    });

    test('log-probs of completion tokens, with padding', () => {
      loaded.model.tokenLogps(loaded.weights, batch).forEach((logps, sequence) => {
        const wanted = expected.token_logps[sequence]!;
        assert.equal(logps.length, wanted.length);
        logps.forEach((logp, token) =>
          assertClose(logp, wanted[token]!, 1e-4, `token ${token} of ${sequence}`),
        );
      });
    });

    test('gradient of every parameter', () => {
      const tokens = expected.token_logps.flat().length;
      const gradients = new Map<string, Float32Array>();
      const tokenLogps = loaded.model.forwardBackward(
        loaded.weights,
        batch,
        (found) => found.map(() => -1 / tokens),
        { add: ({ name: tensor }, gradient) => gradients.set(tensor, read(gradient)) },
      );
      const loss = -sequenceLogps(tokenLogps).reduce((sum, logp) => sum + logp, 0) / tokens;
      assertClose(loss, expected.loss, 1e-5, 'loss');
      assert.deepEqual([...gradients.keys()].sort(), Object.keys(expected.gradients).sort());
      for (const [tensor, { norm: wanted, entries }] of Object.entries(expected.gradients)) {
        const found = gradients.get(tensor)!;
        assertClose(norm(found), wanted, Math.max(1e-5, 1e-3 * wanted), `norm of ${tensor}`);
        for (const [index, value] of entries) {
          const tolerance = Math.max(1e-5, 1e-3 * Math.abs(value));
          assertClose(found[index]!, value, tolerance, `gradient ${index} of ${tensor}`);
        }
      }
    });

    test('the same batch gives the same bits, with and without gradient', () => {
      const first = gradientOf(loaded, batch);
      assert.deepEqual(gradientOf(loaded, batch), first);
      assert.deepEqual(loaded.model.tokenLogps(loaded.weights, batch), first.tokenLogps);
    });
  });
}
