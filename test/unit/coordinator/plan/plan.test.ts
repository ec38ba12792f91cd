import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pairMismatched } from '../../../../coordinator/plan/pairing.js';
import { Planner } from '../../../../coordinator/plan/plan.js';
import { unitOf, unitOfPair } from '../../../../coordinator/plan/unit.js';
import { resolveObjective } from '../../../../lib/config/resolve-objective.js';
import { ConfigError } from '../../../../lib/errors.js';
import { example, examplesArbitrary } from './examples.js';

type Settings = ConstructorParameters<typeof Planner>[2];

const SETTINGS: Settings = {
  objective: { method: 'sft' },
  globalBatchSize: 4,
  microBatchSize: 2,
  shuffle: false,
  seed: 0,
  maxSteps: null,
  epochs: 1,
};

const settingsArbitrary: fc.Arbitrary<Settings> = fc.record({
  objective: fc.constant(SETTINGS.objective),
  globalBatchSize: fc.integer({ min: 1, max: 12 }),
  microBatchSize: fc.integer({ min: 1, max: 5 }),
  shuffle: fc.boolean(),
  seed: fc.nat(),
  maxSteps: fc.option(fc.integer({ min: 1, max: 40 })),
  epochs: fc.integer({ min: 1, max: 4 }),
});

const rows = (count: number) => Array.from({ length: count }, (_, row) => example(row, [row]));

describe('the plan', () => {
  test('uses every example once an epoch, and its leaves every position once', () => {
    fc.assert(
      fc.property(examplesArbitrary(40), settingsArbitrary, (examples, settings) => {
        const planner = new Planner(
          examples.map(unitOf),
          pairMismatched(examples, settings.globalBatchSize),
          {
            ...settings,
            maxSteps: null,
          },
        );
        assert.equal(planner.totalSteps, settings.epochs * planner.stepsPerEpoch);
        for (let epoch = 0; epoch < settings.epochs; epoch += 1) {
          const seen: number[] = [];
          for (let i = 1; i <= planner.stepsPerEpoch; i += 1) {
            const plan = planner.plan(epoch * planner.stepsPerEpoch + i);
            assert.equal(plan.epoch, epoch);
            seen.push(...plan.batch);
            assert.deepEqual(
              plan.leaves.flat().sort((a, b) => a - b),
              plan.batch.map((_, position) => position),
            );
          }
          assert.deepEqual(
            seen.sort((a, b) => a - b),
            examples.map((_, index) => index),
          );
        }
      }),
    );
  });

  test('of a step does not depend on which steps were asked for before', () => {
    const order = fc.array(fc.nat(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(examplesArbitrary(40), settingsArbitrary, order, (examples, settings, asked) => {
        const pairs = pairMismatched(examples, settings.globalBatchSize);
        const planner = new Planner(examples.map(unitOf), pairs, settings);
        for (const number of asked) {
          const step = 1 + (number % planner.totalSteps);
          assert.deepEqual(planner.plan(step), new Planner(examples.map(unitOf), pairs, settings).plan(step));
        }
      }),
    );
  });

  test('counts what methods average over', () => {
    fc.assert(
      fc.property(examplesArbitrary(40), settingsArbitrary, (examples, settings) => {
        const pairs = pairMismatched(examples, settings.globalBatchSize);
        const { batch, counts } = new Planner(examples.map(unitOf), pairs, settings).plan(1);
        let mismatchedPairs = 0;
        let completionTokens = 0;
        for (const index of batch) {
          if (pairs[index] !== null) mismatchedPairs += 1;
          completionTokens += examples[index]!.completionIds.length;
        }
        assert.deepEqual(counts, {
          examples: batch.length,
          mismatchedPairs,
          completionTokens,
          chosenTokens: 0,
        });
      }),
    );
  });

  test('counts the tokens of both completions of a pair, and those of the chosen one', () => {
    const pair = unitOfPair({
      row: 0,
      promptIds: Int32Array.of(1, 2),
      chosenIds: Int32Array.of(3, 4, 5),
      rejectedIds: Int32Array.of(6),
    });
    const { counts } = new Planner([pair, pair], [], SETTINGS).plan(1);
    assert.deepEqual(counts, { examples: 2, mismatchedPairs: 0, completionTokens: 8, chosenTokens: 6 });
  });

  test('counts no pairs for a method that has none', () => {
    assert.equal(new Planner(rows(10).map(unitOf), [], SETTINGS).plan(1).counts.mismatchedPairs, 0);
  });

  test('without shuffling is the order of the file, in every epoch', () => {
    const planner = new Planner(rows(10).map(unitOf), [], { ...SETTINGS, epochs: 2 });
    const batches = Array.from({ length: planner.totalSteps }, (_, i) => planner.plan(i + 1).batch);
    const epoch = [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ];
    assert.deepEqual(batches, [...epoch, ...epoch]);
  });

  test('with shuffling has another order in every epoch', () => {
    const planner = new Planner(rows(32).map(unitOf), [], {
      ...SETTINGS,
      globalBatchSize: 32,
      shuffle: true,
      epochs: 3,
    });
    const epochs = [1, 2, 3].map((step) => planner.plan(step).batch.join());
    assert.equal(new Set(epochs).size, 3);
  });

  test('goes on for max_steps, over epochs', () => {
    const planner = new Planner(rows(10).map(unitOf), [], { ...SETTINGS, maxSteps: 7 });
    assert.equal(planner.totalSteps, 7);
    assert.equal(planner.stepsPerEpoch, 3);
    assert.deepEqual(
      [3, 4, 7].map((step) => planner.plan(step).epoch),
      [0, 1, 2],
    );
  });

  test('has no other steps', () => {
    const planner = new Planner(rows(10).map(unitOf), [], SETTINGS);
    for (const step of [0, 4, 1.5]) assert.throws(() => planner.plan(step), RangeError);
  });
});

describe('KTO needs a mismatched pair', () => {
  const cases: [why: string, prompts: number[], globalBatchSize: number, message: RegExp][] = [
    ['one row', [1], 4, /two rows with different prompts/],
    ['equal prompts', [1, 1, 1], 4, /two rows with different prompts/],
    ['batches of one', [1, 2, 3], 1, /global_batch_size of 2 or more/],
  ];
  for (const [why, prompts, globalBatchSize, message] of cases) {
    test(`which ${why} cannot give`, () => {
      const examples = prompts.map((prompt, row) => example(row, [prompt]));
      const pairs = pairMismatched(examples, globalBatchSize);
      const settings: Settings = { ...SETTINGS, objective: resolveObjective('kto', {}), globalBatchSize };
      assert.throws(
        () => new Planner(examples.map(unitOf), pairs, settings),
        (error: unknown) => error instanceof ConfigError && message.test(error.message),
      );
    });
  }
});
