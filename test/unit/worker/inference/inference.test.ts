import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';

import { generateTokens, type GenerateOptions } from '../../../../worker/inference/generate.js';
import { openForInference, type InferenceModel } from '../../../../worker/inference/open.js';
import { scoreSequences } from '../../../../worker/inference/score.js';
import { liveTensors } from '../../../../worker/tensorflow/tensor.js';
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

/** The replies in full. */
function generate(model: InferenceModel, to: readonly Int32Array[], options: GenerateOptions): number[][] {
  const replies = to.map((): number[] => []);
  for (const { prompt, token } of generateTokens(model, to, options)) {
    if (token !== null) replies[prompt]!.push(token);
  }
  return replies;
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

const greedy = { temperature: 0, topP: 1, seed: 1, stopIds: [] } as const;

test('at temperature 0 every reply is the greedy one, whatever stands beside it', () => {
  // Prompts of all lengths: together while the longer ones are still read, and apart where they differ by much.
  const long = Int32Array.from({ length: 50 }, (_, index) => prompts[0]![index % prompts[0]!.length]!);
  const mixed = [long, ...prompts, prompts[0]!.subarray(0, 1), ...prompts, ...prompts];
  const replies = generate(opened, mixed, { ...greedy, maxNewTokens: 6 });
  assert.deepEqual(
    replies,
    mixed.map((prompt) => greedily(prompt, 6)),
  );
});

test('hands out every token as it comes, and the end of a reply', () => {
  const [second] = greedily(prompts[0]!, 2).slice(1);
  const options = { ...greedy, stopIds: [second!], maxNewTokens: 5 };
  const [first] = greedily(prompts[0]!, 1);
  const tokens = [...generateTokens(opened, [prompts[0]!], options)];
  assert.deepEqual(tokens, [
    { prompt: 0, token: first },
    { prompt: 0, token: null },
  ]);
});

test('the seed decides the samples', () => {
  const sample = (seed: number) => {
    const options = { temperature: 1, topP: 0.9, seed, maxNewTokens: 8, stopIds: [] };
    return generate(opened, prompts, options);
  };
  assert.deepEqual(sample(7), sample(7));
  assert.notDeepEqual(sample(7), sample(8));
});

test('small seeds do not begin alike', () => {
  const options = { temperature: 5, topP: 1, maxNewTokens: 1, stopIds: [] };
  const first = (seed: number) => generate(opened, [prompts[0]!], { ...options, seed })[0]![0];
  assert.ok(new Set([0, 1, 2, 3, 4, 5, 6, 7].map(first)).size > 2);
});

test('a reply ends where the model ends it', () => {
  const [first] = greedily(prompts[0]!, 1);
  const ending = { ...opened, description: { ...opened.description, eosTokenIds: [first!] } };
  assert.deepEqual([...generate(ending, [prompts[0]!], { ...greedy, maxNewTokens: 5 })[0]!], []);
});

test('a reply ends where the model has no position for more', () => {
  const { description } = opened;
  const config = { ...description.config, maxLength: prompts[0]!.length + 2 };
  const short = { ...opened, description: { ...description, config } };
  assert.equal(generate(short, [prompts[0]!], { ...greedy, maxNewTokens: 5 })[0]!.length, 2);
});

test('frees what it holds, also where nobody wants the rest', () => {
  const held = liveTensors();
  for (const token of generateTokens(opened, prompts, { ...greedy, maxNewTokens: 5 })) {
    assert.ok(token.prompt < prompts.length);
    break;
  }
  assert.equal(liveTensors(), held);
});
