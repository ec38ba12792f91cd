import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { parseRunFile } from '../../../../lib/config/load.js';
import { renderRunFile } from '../../../../lib/config/render.js';
import type { Method, RunConfig, StageConfig } from '../../../../lib/config/types.js';

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

/** What a stage may resolve to: defaults where its method reads no such key, and one of max_steps and epochs. */
function stage(isFirst: boolean): fc.Arbitrary<StageConfig> {
  const shared = record({
    model: isFirst ? path : fc.option(path),
    data: record({ train: path, eval: fc.option(path) }),
    learningRate: double(0, true),
    lrSchedule: fc.constantFrom('constant', 'linear', 'cosine'),
    adamBeta1: fraction,
    adamBeta2: fraction,
    adamEpsilon: double(0, true),
    weightDecay: double(0, false),
    maxGradNorm: double(0, false),
    shuffle: fc.boolean(),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
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
  const kto = record({
    method: fc.constant<Method>('kto'),
    reference: fc.option(path),
    beta: double(0, true),
    desirableWeight: double(0, true),
    undesirableWeight: double(0, false),
  });
  const sft = fc.constant({
    method: 'sft' as const,
    reference: null,
    beta: 0.1,
    desirableWeight: 1,
    undesirableWeight: 1,
  });
  return fc
    .tuple(shared, duration, sizes, fc.oneof(kto, sft))
    .map(([first, second, third, fourth]) => ({ ...first, ...second, ...third, ...fourth }));
}

const run: fc.Arbitrary<RunConfig> = record({
  workers: count(),
  threadsPerWorker: count(),
  stages: fc
    .tuple(stage(true), fc.array(stage(false), { maxLength: 2 }))
    .map(([first, rest]): RunConfig['stages'] => [first, ...rest]),
});

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
