import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';

import { generate } from '../../../../worker/inference/generate.js';
import { openForInference, type InferenceModel } from '../../../../worker/inference/open.js';
import { scoreSequences } from '../../../../worker/inference/score.js';
import { fixturePath, readFixture } from '../../../parity/fixtures.js';

const golden = z
  .object({
    prompt_ids: z.array(z.array(z.number())),
    completion_ids: z.array(z.array(z.number())),
    sequence_logps: z.array(z.number()),
  })
  .parse(readFixture('golden/forward_llama.json'));

const sequences = golden.prompt_ids.map((prompt, index) => ({
  ids: Int32Array.from([...prompt, ...golden.completion_ids[index]!]),
  completionStart: prompt.length,
}));
const prompts = golden.prompt_ids.map((ids) => Int32Array.from(ids));

let opened: InferenceModel;
before(() => {
  opened = openForInference(fixturePath('models/llama'), 2);
});
after(() => opened.weights.dispose());

for (const batchSize of [1, 3, 4, 100]) {
  test(`scores are the golden ones in the order of the input, ${batchSize} to a batch`, () => {
    const scores = scoreSequences(opened, sequences, { batchSize });
    assert.equal(scores.length, sequences.length);
    golden.sequence_logps.forEach((expected, index) =>
      assert.ok(
        Math.abs(scores[index]! - expected) <= 5e-4,
        `${index}: ${scores[index]!}, golden ${expected}`,
      ),
    );
  });
}

/** What generate() must give at temperature 0, one token and one prompt at a time. */
function greedily(prompt: Int32Array, steps: number): number[] {
  const ids = [...prompt];
  for (let step = 0; step < steps; step += 1) {
    const position = { sequence: 0, token: ids.length - 1 };
    const [logits] = opened.model.logits(opened.weights, [Int32Array.from(ids)], [position]);
    const token = logits!.indexOf(Math.max(...logits!));
    if (opened.description.eosTokenIds.includes(token)) break;
    ids.push(token);
  }
  return ids.slice(prompt.length);
}

test('at temperature 0 every reply is the greedy one, whatever stands beside it', () => {
  const replies = generate(opened, prompts, { temperature: 0, topP: 1, seed: 1, maxNewTokens: 6 });
  assert.deepEqual(
    replies.map((reply) => [...reply]),
    prompts.map((prompt) => greedily(prompt, 6)),
  );
});

test('the seed decides the samples', () => {
  const sample = (seed: number) =>
    generate(opened, prompts, { temperature: 1, topP: 0.9, seed, maxNewTokens: 8 }).map((ids) => [...ids]);
  assert.deepEqual(sample(7), sample(7));
  assert.notDeepEqual(sample(7), sample(8));
});

test('a reply ends where the model ends it', () => {
  const [first] = greedily(prompts[0]!, 1);
  const ending = { ...opened, description: { ...opened.description, eosTokenIds: [first!] } };
  const options = { temperature: 0, topP: 1, seed: 1, maxNewTokens: 5 };
  assert.deepEqual([...generate(ending, [prompts[0]!], options)[0]!], []);
});
