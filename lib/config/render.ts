import { stringify } from 'yaml';

import type { RunFile, StageKeys } from './schema.js';
import type { RunConfig, StageConfig } from './types.js';

/** A run file that resolves to `config` on any machine and from any folder: every key has its value. */
export function renderRunFile({ workers, threadsPerWorker, stages }: RunConfig): string {
  const runFile: RunFile = { workers, threads_per_worker: threadsPerWorker, stages: stages.map(stageKeys) };
  return stringify(runFile, { lineWidth: 0, aliasDuplicateObjects: false });
}

function stageKeys(stage: StageConfig): StageKeys {
  return {
    method: stage.method,
    ...(stage.model !== null && { model: stage.model }),
    ...(stage.method === 'kto' && {
      reference: stage.reference,
      beta: stage.beta,
      desirable_weight: stage.desirableWeight,
      undesirable_weight: stage.undesirableWeight,
    }),
    data: { ...stage.data },
    learning_rate: stage.learningRate,
    lr_schedule: stage.lrSchedule,
    warmup_steps: stage.warmupSteps,
    adam_beta1: stage.adamBeta1,
    adam_beta2: stage.adamBeta2,
    adam_epsilon: stage.adamEpsilon,
    weight_decay: stage.weightDecay,
    max_grad_norm: stage.maxGradNorm,
    ...(stage.maxSteps === null ? { epochs: stage.epochs } : { max_steps: stage.maxSteps }),
    global_batch_size: stage.globalBatchSize,
    micro_batch_size: stage.microBatchSize,
    max_length: stage.maxLength,
    max_prompt_length: stage.maxPromptLength,
    shuffle: stage.shuffle,
    seed: stage.seed,
  };
}
