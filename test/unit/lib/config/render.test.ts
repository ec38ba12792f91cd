import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { parseRunFile } from '../../../../lib/config/load.js';
import { renderRunFile } from '../../../../lib/config/render.js';
import type { LoraConfig, RunConfig, StageConfig } from '../../../../lib/config/types.js';
import type { ClassWeights, MethodConfig, Weight } from '../../../../lib/methods/config.js';
import { needsOf } from '../../../../lib/methods/needs.js';

/** Plain objects, as the configuration's are. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true });
const count = (max = 2 ** 31 - 1) => fc.integer({ min: 1, max });
const double = (min: number, minExcluded: boolean) =>
  fc.double({ min, minExcluded, noNaN: true, noDefaultInfinity: true });
const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const path = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .map((name) => name.replace(/[/\0]/g, '_'))
  .map((name) => `/models/${name}`)
  .filter((name) => !/\/\.{1,2}$/.test(name));

const directory = fc.option(record({ directory: path }));
const lora: fc.Arbitrary<LoraConfig> = record({
  r: count(),
  alpha: double(0, true),
  targetModules: fc.oneof(
    fc.constant('all-linear' as const),
    fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }),
  ),
  dropout: fc.constant(0),
});

const beta = double(0, true);
const smoothing = fc.double({ min: 0, max: 0.5, maxExcluded: true, noNaN: true });
const weights: fc.Arbitrary<ClassWeights> = fc.oneof(
  record({ desirableWeight: double(0, true), undesirableWeight: double(0, false) }),
  record({ desirableWeight: fc.constant<Weight>('auto'), undesirableWeight: double(0, true) }),
  record({ desirableWeight: double(0, true), undesirableWeight: fc.constant<Weight>('auto') }),
);
const dpoLoss = fc.oneof(
  record({ lossType: fc.constantFrom('sigmoid', 'sigmoid_norm', 'robust'), labelSmoothing: smoothing }),
  record({ lossType: fc.constant('exo_pair'), labelSmoothing: smoothing.filter((value) => value > 0) }),
  record({
    lossType: fc.constantFrom('hinge', 'ipo', 'nca_pair', 'bco_pair', 'sppo_hard', 'apo_zero', 'apo_down'),
    labelSmoothing: fc.constant(0),
  }),
);
const objectiveWithReference: fc.Arbitrary<MethodConfig> = fc.oneof(
  fc
    .tuple(
      weights,
      record({
        beta,
        z0Denominator: fc.constantFrom('all', 'nonzero'),
        humanline: fc.option(
          record({
            logEpsilonP: fc.double({ min: -9, max: 0, noNaN: true }),
            logEpsilonR: fc.double({ min: 0, max: 9, minExcluded: true, noNaN: true }),
          }),
        ),
        scoreScale: fc.option(
          fc.uniqueArray(fc.integer(), { minLength: 3, maxLength: 3 }).map((scores) => {
            const [min, neutral, max] = scores.sort((a, b) => a - b);
            return { min: min!, max: max!, neutral: neutral! };
          }),
        ),
      }),
    )
    .map(([pair, rest]): MethodConfig => ({ method: 'kto', ...pair, ...rest })),
  fc
    .tuple(weights, beta)
    .map(([pair, value]): MethodConfig => ({ method: 'apo_zero_unpaired', beta: value, ...pair })),
  record({
    method: fc.constant('ppo_clip'),
    clipRange: double(0, true),
    klCoef: double(0, false),
    gamma: fraction,
    lam: fraction,
    criticCoef: double(0, false),
  }),
  fc.tuple(dpoLoss, beta).map(([loss, value]): MethodConfig => ({ method: 'dpo', beta: value, ...loss })),
);

const objectiveWithout: fc.Arbitrary<MethodConfig> = fc.oneof(
  record({ method: fc.constant('cpo'), beta, labelSmoothing: smoothing, cpoAlpha: double(0, false) }),
  record({ method: fc.constant('simpo'), beta, simpoGamma: double(0, false) }),
  record({ method: fc.constant('orpo'), beta }),
  record({ method: fc.constant('slic'), beta, lambdaCoef: double(0, false) }),
  fc.constant({ method: 'sft' }),
  fc
    .tuple(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }))
    .filter(([good, bad]) => good !== bad)
    .map(([good, bad]): MethodConfig => ({
      method: 'csft',
      desirableControl: good,
      undesirableControl: bad,
    })),
);

/** What a stage may resolve to: no reference where its method reads none, and one of max_steps and epochs. */
function stage(isFirst: boolean): fc.Arbitrary<StageConfig> {
  const shared = record({
    model: isFirst ? path : fc.option(path),
    learningRate: double(0, true),
    lrSchedule: fc.constantFrom('constant', 'linear', 'cosine'),
    adamBeta1: fraction,
    adamBeta2: fraction,
    adamEpsilon: double(0, true),
    weightDecay: double(0, false),
    maxGradNorm: double(0, false),
    onNonfinite: fc.constantFrom('fail', 'skip'),
    activationMemoryGib: fc.option(double(0, true)),
    samples: fc.option(
      record({ everySteps: count(), prompts: count(), maxNewTokens: count(), temperature: double(0, false) }),
    ),
    shuffle: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  const data = fc.oneof(
    record({ data: record({ train: path, eval: fc.constant(null) }), evalSteps: fc.constant(0) }),
    record({ data: record({ train: path, eval: path }), evalSteps: fc.nat(2 ** 31 - 1) }),
  );
  const duration = fc.oneof(
    record({ maxSteps: fc.constant(null), epochs: count(), warmupSteps: fc.nat() }),
    fc
      .tuple(count(), fc.nat())
      .map(([maxSteps, warmup]) => ({ maxSteps, epochs: 3, warmupSteps: warmup % maxSteps })),
  );
  const sizes = fc
    .tuple(
      fc.integer({ min: 2, max: 2 ** 31 - 1 }),
      count(),
      fc.integer({ min: 2, max: 2 ** 31 - 1 }),
      count(),
    )
    .map(([globalBatchSize, micro, maxLength, prompt]) => ({
      globalBatchSize,
      microBatchSize: 1 + (micro % globalBatchSize),
      maxLength,
      maxPromptLength: 1 + (prompt % (maxLength - 1)),
    }));
  const objective = fc.oneof(
    fc.tuple(objectiveWithReference, directory, fc.boolean()).map(([objective, reference, share]) => ({
      objective,
      reference,
      sharePrompts: share && needsOf(objective).mismatchedPairs,
    })),
    objectiveWithout.map((objective) => ({ objective, reference: null, sharePrompts: false })),
  );
  const trained = fc.oneof(
    fc.constant({ adapter: null, lora: null }),
    record({ adapter: path, lora: fc.constant(null) }),
    record({ adapter: fc.constant(null), lora }),
  );
  return fc.tuple(shared, data, duration, sizes, objective, trained).map(([first, ...others]) => {
    const stage = Object.assign({}, first, ...others) as StageConfig;
    const isBase = stage.adapter !== null && stage.seed % 2 === 0 && needsOf(stage.objective).reference;
    return isBase ? { ...stage, reference: 'base' as const } : stage;
  });
}

const crew = fc.tuple(count(), fc.nat()).map(([workers, least]) => ({
  workers,
  minWorkers: 1 + (least % workers),
}));

const run: fc.Arbitrary<RunConfig> = record({
  crew,
  threadsPerWorker: count(),
  maxRestarts: fc.nat({ max: 2 ** 31 - 1 }),
  saveSteps: fc.nat({ max: 2 ** 31 - 1 }),
  saveTotalLimit: count(),
  stages: fc
    .tuple(stage(true), fc.array(stage(false), { maxLength: 2 }))
    .map(([first, rest]): RunConfig['stages'] => [first, ...rest]),
}).map(({ crew: sizes, ...rest }) => ({ ...sizes, ...rest }));

describe('renderRunFile', () => {
  it('writes what parses back to the same run', () => {
    fc.assert(
      fc.property(run, (config) => {
        const text = renderRunFile(config);
        const parsed = parseRunFile(text, 'run.yaml', { baseDir: '/elsewhere', cores: 1 });
        assert.deepEqual(parsed, config, text);
      }),
      { numRuns: 300 },
    );
  });

  it('reads like a run file', () => {
    const text = 'method: sft\nmodel: m\ndata: {train: a.jsonl}\nmax_steps: 3\nlearning_rate: 2e-5\n';
    const config = parseRunFile(text, 'run.yaml', { baseDir: '/base', cores: 2 });
    assert.equal(
      renderRunFile(config),
      `workers: 1
threads_per_worker: 2
min_workers: 1
max_restarts: 5
save_steps: 100
save_total_limit: 2
stages:
  - method: sft
    model: /base/m
    data:
      train: /base/a.jsonl
      eval: null
    learning_rate: 0.00002
    lr_schedule: linear
    warmup_steps: 0
    adam_beta1: 0.9
    adam_beta2: 0.999
    adam_epsilon: 1e-8
    weight_decay: 0
    max_grad_norm: 1
    on_nonfinite: fail
    eval_steps: 0
    max_steps: 3
    global_batch_size: 16
    micro_batch_size: 4
    max_length: 1024
    max_prompt_length: 512
    shuffle: true
    seed: 42
`,
    );
  });
});
