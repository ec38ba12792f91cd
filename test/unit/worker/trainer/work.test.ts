import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MethodConfig } from '../../../../lib/methods/config.js';
import { needsOf } from '../../../../lib/methods/needs.js';
import { v1 } from '../../../../proto/services.js';
import {
  mismatchedSequences,
  readLeafWork,
  readSampleWork,
  type Expected,
} from '../../../../worker/trainer/work.js';

const kto: MethodConfig = {
  method: 'kto',
  beta: 0.1,
  desirableWeight: 1,
  undesirableWeight: 1,
  z0Denominator: 'all',
  humanline: null,
  scoreScale: null,
};
const dpo: MethodConfig = { method: 'dpo', lossType: 'sigmoid', beta: 0.1, labelSmoothing: 0 };

const expected: Expected = {
  stage: 0,
  generation: 1,
  rank: 1,
  worldSize: 2,
  vocabSize: 10,
  needs: needsOf(kto),
};

const example = (position: number, properties: v1.Example.$Properties = {}): v1.Example.$Properties => ({
  position,
  row: position + 100,
  promptIds: [1, 2],
  completions: [{ ids: [3, 4, 5] }],
  ...properties,
});

/** Work of rank 1 of 2 over the wire and back, as it arrives. */
function arrived(properties: v1.StepWork.$Properties = {}): v1.StepWork {
  const work: v1.StepWork.$Properties = {
    stage: 0,
    step: 7,
    generation: 1,
    runStarts: [0, 1, 3],
    leaves: [
      { examples: [example(2, { mismatchedCompletionIds: [6], desirable: true }), example(3)] },
      { examples: [example(4, { desirable: false })] },
    ],
    counts: { examples: 5, mismatchedPairs: 4, completionTokens: 15 },
    ...properties,
  };
  return v1.StepWork.decode(v1.StepWork.encode(work).finish());
}

test('work is read as it was sent', () => {
  const task = readLeafWork(arrived(), expected);
  assert.equal(task.step, 7);
  assert.equal(task.leafCount, 3);
  assert.deepEqual(task.runs, [
    { first: 0, count: 1 },
    { first: 1, count: 2 },
  ]);
  const [first, second] = task.leaves[0]!;
  assert.deepEqual(first!.completions[0], { ids: Int32Array.from([1, 2, 3, 4, 5]), completionStart: 2 });
  assert.deepEqual(first!.mismatched, { ids: Int32Array.from([1, 2, 6]), completionStart: 2 });
  assert.equal(first!.desirable, true);
  assert.equal(second!.mismatched, null);
  assert.equal(second!.desirable, null);
  assert.equal(task.leaves[1]![0]!.desirable, false);
  assert.equal(mismatchedSequences(task.leaves[0]!).length, 1);
});

const refusals: [string, v1.StepWork.$Properties, RegExp][] = [
  ['another stage', { stage: 3 }, /stage 3 step 7 .* another stage than 0/],
  ['another generation', { generation: 9 }, /generation 9, not 1/],
  ['another number of workers', { runStarts: [0, 1, 2, 3] }, /cut for 3 workers/],
  ['runs out of order', { runStarts: [0, 3, 1] }, /out of order: 0, 3, 1/],
  ['too few leaves', { runStarts: [0, 1, 4] }, /has 2 leaves for rank 1/],
  ['no counts', { counts: null }, /has no counts/],
  ['an empty leaf', { leaves: [{ examples: [] }, { examples: [example(4)] }] }, /an empty leaf/],
  [
    'a token outside the vocabulary',
    { leaves: [{ examples: [example(2, { completions: [{ ids: [10] }] })] }, { examples: [example(4)] }] },
    /token id 10 in row 102, outside the vocabulary of 10/,
  ],
  [
    'an empty completion',
    { leaves: [{ examples: [example(2, { completions: [{ ids: [] }] })] }, { examples: [example(4)] }] },
    /empty prompt or completion in row 102/,
  ],
];

test('pairs are read in their order, with the answers that came along', () => {
  const completions = [{ ids: [3] }, { ids: [4, 5] }];
  const reference = { completions: [{ logp: -1 }, { logp: -2 }] };
  const leaves = [
    { examples: [example(2, { completions, reference })] },
    { examples: [example(4, { completions })] },
  ];
  const task = readLeafWork(arrived({ leaves }), { ...expected, needs: needsOf(dpo) });
  const [first] = task.leaves[0]!;
  assert.deepEqual(
    first!.completions.map(({ ids }) => [...ids]),
    [
      [1, 2, 3],
      [1, 2, 4, 5],
    ],
  );
  assert.deepEqual(
    first!.reference?.completions.map(({ logp }) => logp),
    [-1, -2],
  );
  assert.equal(task.leaves[1]![0]!.reference, null);
  assert.throws(
    () => readLeafWork(arrived({ leaves }), expected),
    /has 2 completions in row 102 instead of 1/,
  );
});

for (const [what, properties, message] of refusals) {
  test(`work with ${what} is refused`, () => {
    assert.throws(() => readLeafWork(arrived(properties), expected), message);
  });
}

test('held-out rows are read as a step is, and refused as one is', () => {
  const { stage, step, generation, runStarts, leaves, counts } = arrived();
  const evaluation = v1.EvaluationWork.create({
    stage,
    step,
    generation,
    runStarts,
    leaves,
    counts: counts ?? null,
  });
  assert.deepEqual(readLeafWork(evaluation, expected), readLeafWork(arrived(), expected));
  evaluation.runStarts = [0, 1, 4];
  assert.throws(() => readLeafWork(evaluation, expected), /has 2 leaves for rank 1/);
});

const sampleWork = {
  stage: 0,
  step: 4,
  generation: 1,
  prompts: [{ ids: [1, 2] }, { ids: [9] }],
  maxNewTokens: 3,
  temperature: 0.5,
  seed: 4_000_000_000,
};

test('prompts are read as they were sent', () => {
  const { generation, prompts, ...rest } = sampleWork;
  assert.equal(generation, expected.generation);
  assert.deepEqual(readSampleWork(v1.SampleWork.create(sampleWork), expected), {
    ...rest,
    prompts: prompts.map(({ ids }) => Int32Array.from(ids)),
  });
});

const refusedPrompts: [string, v1.SampleWork.$Properties, RegExp][] = [
  ['of another stage', { stage: 3 }, /another stage than 0/],
  ['of another generation', { generation: 9 }, /generation 9, not 1/],
  ['that are none', { prompts: [] }, /no or an empty prompt/],
  ['that are empty', { prompts: [{ ids: [] }] }, /no or an empty prompt/],
  ['outside the vocabulary', { prompts: [{ ids: [1, 10] }] }, /token id 10 .* vocabulary of 10/],
  ['to continue by nothing', { maxNewTokens: 0 }, /no new token/],
  ['at a temperature below 0', { temperature: -1 }, /temperature of -1/],
  ['at a temperature that is no number', { temperature: Number.NaN }, /temperature of NaN/],
];

for (const [what, properties, message] of refusedPrompts) {
  test(`prompts ${what} are refused`, () => {
    const work = v1.SampleWork.create({ ...sampleWork, ...properties });
    assert.throws(() => readSampleWork(work, expected), message);
  });
}
