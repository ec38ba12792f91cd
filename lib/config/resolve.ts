import { resolve as resolvePath } from 'node:path';

import { methodsThatNeed } from '../methods/needs.js';
import { METHOD_DEFAULTS, resolveObjective } from './resolve-objective.js';
import type { RunFile, StageKeys } from './schema.js';
import { isSource } from './source.js';
import { isGiven, type MergedStage } from './stages.js';
import type { LoraConfig, Method, ReferenceConfig, RunConfig, SamplesConfig, StageConfig } from './types.js';

/** As in TRL, but for the batch: KTO's estimate of the KL wants 16 examples a step, and workers several micro-batches. */
export const DEFAULTS = {
  // TRL's `ModelConfig`, but for PEFT's own choice of modules for each family.
  lora: { r: 16, alpha: 32, targetModules: 'all-linear' },
  lrSchedule: 'linear',
  warmupSteps: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
  epochs: 3,
  globalBatchSize: 16,
  microBatchSize: 4,
  maxLength: 1024,
  shuffle: true,
  seed: 42,
  onNonfinite: 'fail',
  evalSteps: 0,
  samples: { everySteps: 50, prompts: 2, maxNewTokens: 64, temperature: 0 },
  workers: 1,
  minWorkers: 1,
  maxRestarts: 5,
  saveSteps: 100,
  saveTotalLimit: 2,
} as const;

/** Sizes that other keys are compared with. */
export function sizesOf({ keys }: MergedStage) {
  const globalBatchSize = keys.global_batch_size ?? DEFAULTS.globalBatchSize;
  const maxLength = keys.max_length ?? DEFAULTS.maxLength;
  return {
    globalBatchSize,
    microBatchSize: keys.micro_batch_size ?? Math.min(DEFAULTS.microBatchSize, globalBatchSize),
    maxLength,
    maxPromptLength: keys.max_prompt_length ?? Math.floor(maxLength / 2),
  };
}

/** The resolved form of a run file that `checkStages` found nothing wrong with. */
export function resolveRun(
  runFile: RunFile,
  stages: readonly MergedStage[],
  { baseDir, cores }: { readonly baseDir: string; readonly cores: number },
): RunConfig {
  const [first, ...rest] = stages.map((stage) => resolveStage(stage, baseDir));
  const workers = runFile.workers ?? DEFAULTS.workers;
  const threads = runFile.threads_per_worker ?? 'auto';
  return {
    workers,
    threadsPerWorker: threads === 'auto' ? Math.max(1, Math.floor(cores / workers)) : threads,
    minWorkers: runFile.min_workers ?? DEFAULTS.minWorkers,
    maxRestarts: runFile.max_restarts ?? DEFAULTS.maxRestarts,
    saveSteps: runFile.save_steps ?? DEFAULTS.saveSteps,
    saveTotalLimit: runFile.save_total_limit ?? DEFAULTS.saveTotalLimit,
    stages: [given(first, 'stages'), ...rest],
  };
}

function resolveStage(stage: MergedStage, baseDir: string): StageConfig {
  const { keys } = stage;
  const method = given(keys.method, 'method');
  const absolute = (path: string | null | undefined) => (isGiven(path) ? resolvePlace(baseDir, path) : null);
  return {
    objective: resolveObjective(method, keys),
    model: absolute(keys.model),
    adapter: absolute(keys.adapter),
    lora: isGiven(keys.lora) ? resolveLora(keys.lora) : null,
    reference: resolveReference(keys.reference, baseDir),
    data: {
      train: resolvePlace(baseDir, given(keys.data?.train, 'data.train')),
      eval: absolute(keys.data?.eval),
    },
    learningRate: keys.learning_rate ?? METHOD_DEFAULTS.learningRate[method],
    lrSchedule: keys.lr_schedule ?? DEFAULTS.lrSchedule,
    warmupSteps: keys.warmup_steps ?? DEFAULTS.warmupSteps,
    adamBeta1: keys.adam_beta1 ?? DEFAULTS.adamBeta1,
    adamBeta2: keys.adam_beta2 ?? DEFAULTS.adamBeta2,
    adamEpsilon: keys.adam_epsilon ?? DEFAULTS.adamEpsilon,
    weightDecay: keys.weight_decay ?? DEFAULTS.weightDecay,
    maxGradNorm: keys.max_grad_norm ?? DEFAULTS.maxGradNorm,
    onNonfinite: keys.on_nonfinite ?? DEFAULTS.onNonfinite,
    evalSteps: keys.eval_steps ?? DEFAULTS.evalSteps,
    samples: isGiven(keys.samples) ? resolveSamples(keys.samples) : null,
    maxSteps: keys.max_steps ?? null,
    epochs: keys.epochs ?? DEFAULTS.epochs,
    ...sizesOf(stage),
    activationMemoryGib: keys.activation_memory ?? null,
    sharePrompts: sharesPrompts(stage, method),
    shuffle: keys.shuffle ?? DEFAULTS.shuffle,
    seed: keys.seed ?? DEFAULTS.seed,
  };
}

/** Measured: where a worker has more micro-batches, all but one go through the policy twice. */
const MICRO_BATCHES_TO_SHARE = 2;

function sharesPrompts(stage: MergedStage, method: Method): boolean {
  if (!methodsThatNeed('mismatchedPairs').includes(method)) return false;
  const { globalBatchSize, microBatchSize } = sizesOf(stage);
  return stage.keys.share_prompts ?? globalBatchSize <= MICRO_BATCHES_TO_SHARE * microBatchSize;
}

function resolveLora(keys: NonNullable<StageKeys['lora']>): LoraConfig {
  return {
    r: keys.r ?? DEFAULTS.lora.r,
    alpha: keys.alpha ?? DEFAULTS.lora.alpha,
    targetModules: keys.target_modules ?? DEFAULTS.lora.targetModules,
    dropout: 0,
  };
}

function resolveSamples(keys: NonNullable<StageKeys['samples']>): SamplesConfig {
  return {
    everySteps: keys.every_steps ?? DEFAULTS.samples.everySteps,
    prompts: keys.prompts ?? DEFAULTS.samples.prompts,
    maxNewTokens: keys.max_new_tokens ?? DEFAULTS.samples.maxNewTokens,
    temperature: keys.temperature ?? DEFAULTS.samples.temperature,
  };
}

function resolveReference(key: StageKeys['reference'], baseDir: string): ReferenceConfig {
  if (!isGiven(key)) return null;
  return key === 'base' ? 'base' : { directory: resolvePlace(baseDir, key) };
}

/** Sources are the same from anywhere. */
function resolvePlace(baseDir: string, text: string): string {
  return isSource(text) ? text : resolvePath(baseDir, text);
}

function given<T>(value: T | undefined, key: string): T {
  if (value === undefined) throw new Error(`${key} is missing: the run file was not checked`);
  return value;
}
