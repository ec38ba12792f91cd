import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';

import { openSafetensors } from '../../lib/safetensors/checkpoint.js';
import { sequenceLogps, type Sequence } from '../../worker/model/language-model.js';
import { read } from '../../worker/tensorflow/tensor.js';
import { loadModel, type LoadedModel } from '../unit/worker/model/loaded-model.js';
import { fixturePath, readFixture } from './fixtures.js';

const golden = z.object({
  prompt_ids: z.array(z.array(z.number())),
  completion_ids: z.array(z.array(z.number())),
  logits: z.array(z.object({ row: z.number(), position: z.number(), values: z.array(z.number()) })),
  /** [sequence][token predicted − 1], 0 where it is not a completion token */
  token_logps: z.array(z.array(z.number())),
  sequence_logps: z.array(z.number()),
  sft_loss: z.number(),
});

function assertClose(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, golden ${expected}`);
}

/** Tolerances are those of the golden files' own README. */
for (const name of ['gpt2', 'gpt_neox', 'llama', 'llama_bf16_sharded', 'mistral']) {
  describe(`${name} equals transformers`, () => {
    const expected = golden.parse(readFixture(`golden/forward_${name}.json`));
    const sequences: Sequence[] = expected.prompt_ids.map((prompt, index) => ({
      ids: Int32Array.from([...prompt, ...expected.completion_ids[index]!]),
      completionStart: prompt.length,
    }));
    let loaded: LoadedModel;
    before(() => {
      loaded = loadModel(fixturePath(`models/${name}`));
    });
    after(() => loaded.weights.dispose());

    test('logits', () => {
      const positions = expected.logits.map(({ row, position }) => ({ sequence: row, token: position }));
      const logits = loaded.model.logits(
        loaded.weights,
        sequences.map(({ ids }) => ids),
        positions,
      );
      expected.logits.forEach(({ row, position, values }, index) => {
        assert.equal(logits[index]!.length, values.length);
        values.forEach((value, token) =>
          assertClose(logits[index]![token]!, value, 1e-4, `logit ${token} of row ${row} at ${position}`),
        );
      });
    });

    test('log-probs of completion tokens and of sequences', () => {
      const tokenLogps = loaded.model.tokenLogps(loaded.weights, sequences);
      sequences.forEach(({ ids, completionStart }, index) => {
        assert.equal(tokenLogps[index]!.length, ids.length - completionStart);
        tokenLogps[index]!.forEach((logp, token) =>
          assertClose(
            logp,
            expected.token_logps[index]![completionStart - 1 + token]!,
            1e-4,
            `token ${token}`,
          ),
        );
      });
      loaded.model
        .logps(loaded.weights, sequences)
        .forEach((logp, index) =>
          assertClose(logp, expected.sequence_logps[index]!, 5e-4, `sequence ${index}`),
        );
    });

    test('loss of supervised fine-tuning, and its gradient of every parameter', () => {
      const tokens = expected.completion_ids.flat().length;
      const gradients = new Map<string, Float32Array>();
      const tokenLogps = loaded.model.forwardBackward(
        loaded.weights,
        sequences,
        (found) => found.map(() => -1 / tokens),
        {
          add: ({ name: tensor }, gradient) => {
            assert.ok(!gradients.has(tensor), `${tensor} has its gradient twice`);
            gradients.set(tensor, read(gradient));
          },
        },
      );
      const logps = sequenceLogps(tokenLogps);
      assertClose(-logps.reduce((sum, logp) => sum + logp, 0) / tokens, expected.sft_loss, 1e-5, 'loss');
      const file = openSafetensors(fixturePath(`golden/grads_${name}.safetensors`));
      try {
        assert.deepEqual([...gradients.keys()].sort(), [...file.tensors.keys()].sort());
        for (const { name: tensor, size } of file.tensors.values()) {
          const values = new Float32Array(size);
          file.read(tensor, values);
          const found = gradients.get(tensor)!;
          assert.equal(found.length, size);
          values.forEach((value, index) =>
            assertClose(
              found[index]!,
              value,
              Math.max(1e-5, 1e-3 * Math.abs(value)),
              `gradient ${index} of ${tensor}`,
            ),
          );
        }
      } finally {
        file.close();
      }
    });
  });
}
