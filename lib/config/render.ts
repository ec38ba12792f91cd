import { stringify } from 'yaml';

import type { ClassWeights, MethodConfig } from '../methods/config.js';
import { needsOf } from '../methods/needs.js';
import type { RunFile, StageKeys } from './schema.js';
import type { LoraConfig, ReferenceConfig, RunConfig, SamplesConfig, StageConfig } from './types.js';

/** A run file that resolves to `config` on any machine and from any folder: every key has its value. */
export function renderRunFile(run: RunConfig): string {
  const runFile: RunFile = {
    workers: run.workers,
    threads_per_worker: run.threadsPerWorker,
    min_workers: run.minWorkers,
    max_restarts: run.maxRestarts,
    save_steps: run.saveSteps,
    save_total_limit: run.saveTotalLimit,
    stages: run.stages.map(stageKeys),
  };
  return stringify(runFile, { lineWidth: 0, aliasDuplicateObjects: false });
}

function stageKeys(stage: StageConfig): StageKeys {
  const { objective, lora } = stage;
  return {
    method: objective.method,
    ...(stage.model !== null && { model: stage.model }),
    ...(stage.adapter !== null && { adapter: stage.adapter }),
    ...(lora !== null && { lora: loraKeys(lora) }),
    ...(needsOf(objective).reference && { reference: referenceKey(stage.reference) }),
    ...objectiveKeys(objective),
    data: { ...stage.data },
    learning_rate: stage.learningRate,
    lr_schedule: stage.lrSchedule,
    warmup_steps: stage.warmupSteps,
    adam_beta1: stage.adamBeta1,
    adam_beta2: stage.adamBeta2,
    adam_epsilon: stage.adamEpsilon,
    weight_decay: stage.weightDecay,
    max_grad_norm: stage.maxGradNorm,
    on_nonfinite: stage.onNonfinite,
    eval_steps: stage.evalSteps,
    ...(stage.samples !== null && { samples: samplesKeys(stage.samples) }),
    ...(stage.maxSteps === null ? { epochs: stage.epochs } : { max_steps: stage.maxSteps }),
    global_batch_size: stage.globalBatchSize,
    micro_batch_size: stage.microBatchSize,
    ...(stage.activationMemoryGib !== null && { activation_memory: stage.activationMemoryGib }),
    ...(needsOf(objective).mismatchedPairs && { share_prompts: stage.sharePrompts }),
    max_length: stage.maxLength,
    max_prompt_length: stage.maxPromptLength,
    shuffle: stage.shuffle,
    seed: stage.seed,
  };
}

function loraKeys({ r, alpha, targetModules, dropout }: LoraConfig): NonNullable<StageKeys['lora']> {
  const modules = targetModules === 'all-linear' ? targetModules : [...targetModules];
  return { r, alpha, target_modules: modules, dropout };
}

function samplesKeys(samples: SamplesConfig): NonNullable<StageKeys['samples']> {
  return {
    every_steps: samples.everySteps,
    prompts: samples.prompts,
    max_new_tokens: samples.maxNewTokens,
    temperature: samples.temperature,
  };
}

function referenceKey(reference: ReferenceConfig): string | null {
  return reference === null || reference === 'base' ? reference : reference.directory;
}

/** The keys that the method alone reads. */
function objectiveKeys(objective: MethodConfig): StageKeys {
  switch (objective.method) {
    case 'kto': {
      const { humanline, scoreScale } = objective;
      return {
        ...weightedKeys(objective),
        z0_denominator: objective.z0Denominator,
        ...(humanline !== null && {
          humanline: { log_epsilon_p: humanline.logEpsilonP, log_epsilon_r: humanline.logEpsilonR },
        }),
        ...(scoreScale !== null && { score_scale: { ...scoreScale } }),
      };
    }
    case 'apo_zero_unpaired':
      return weightedKeys(objective);
    case 'ppo_clip':
      return {
        cliprange: objective.clipRange,
        kl_coef: objective.klCoef,
        gamma: objective.gamma,
        lam: objective.lam,
        critic_coef: objective.criticCoef,
      };
    case 'dpo':
      return {
        loss_type: objective.lossType,
        beta: objective.beta,
        label_smoothing: objective.labelSmoothing,
      };
    case 'cpo':
      return {
        beta: objective.beta,
        label_smoothing: objective.labelSmoothing,
        cpo_alpha: objective.cpoAlpha,
      };
    case 'simpo':
      return { beta: objective.beta, simpo_gamma: objective.simpoGamma };
    case 'orpo':
      return { beta: objective.beta };
    case 'slic':
      return { beta: objective.beta, lambda_coef: objective.lambdaCoef };
    case 'sft':
      return {};
    case 'csft':
      return {
        desirable_control: objective.desirableControl,
        undesirable_control: objective.undesirableControl,
      };
  }
}

function weightedKeys({
  beta,
  desirableWeight,
  undesirableWeight,
}: ClassWeights & { readonly beta: number }) {
  return { beta, desirable_weight: desirableWeight, undesirable_weight: undesirableWeight };
}
