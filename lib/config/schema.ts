import { z } from 'zod';

import { dpoLossTypes } from '../methods/config.js';
import { methodNames } from '../methods/needs.js';
import { explainBadSource, parseSource } from './source.js';

/**
 * What a user may write in a run file. Every key may be left out here; what must be there, what the defaults are and how
 * keys fit together is resolve.ts's business. Descriptions serve editors, through JSON Schema.
 */
const count = z.int32().min(1);
const positive = z.number().positive();
const notNegative = z.number().nonnegative();
const fraction = z.number().min(0).lt(1);
const share = z.number().min(0).max(1);
const weight = z.union([z.literal('auto'), notNegative], 'must be a number of at least 0, or auto');
const text = z.string().min(1);
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'must not contain a NUL character')
  .superRefine((text, context) => {
    const grammar = explainBadSource(text);
    if (grammar !== null) context.addIssue({ code: 'custom', message: `must be ${grammar}` });
  });
const filePath = path.refine(
  namesFile,
  'must name a file of the repository: hf:OWNER/NAME/PATH or hf:datasets/OWNER/NAME/PATH',
);

function namesFile(text: string): boolean {
  if (explainBadSource(text) !== null) return true;
  const source = parseSource(text);
  return source?.kind !== 'hf' || source.path !== '';
}

const dataSchema = z.strictObject({
  train: filePath
    .optional()
    .describe(
      'Training rows, a JSONL file: a path, which starts at the folder of the run file where it is relative, ' +
        'hf:datasets/OWNER/NAME/PATH or s3://BUCKET/KEY.',
    ),
  eval: filePath
    .nullable()
    .optional()
    .describe(
      'Held-out rows, judged at the start and the end of the stage, and see eval_steps. Default: none.',
    ),
});

const loraSchema = z.strictObject({
  r: count.optional().describe('Rank of the update. Default 16.'),
  alpha: positive.optional().describe('The update is scaled by alpha / r. Default 32.'),
  target_modules: z
    .union(
      [z.literal('all-linear'), z.array(z.string().min(1)).min(1)],
      'must be all-linear or a list of module names such as q_proj',
    )
    .optional()
    .describe(
      'Linear modules that get an adapter: a list of names such as q_proj, as in PEFT, or all-linear: all but the ' +
        'language-model head. Default all-linear.',
    ),
  dropout: z.literal(0).optional().describe('Always 0: adapters are trained without dropout.'),
});

const humanlineSchema = z.strictObject({
  log_epsilon_p: z.number().optional().describe("Lower bound of a token's log-ratio, in nats. Default -1."),
  log_epsilon_r: z.number().optional().describe("Upper bound of a token's log-ratio, in nats. Default 1.5."),
});

const scoreScaleSchema = z.strictObject({
  min: z.number().optional().describe('The worst score.'),
  max: z.number().optional().describe('The best score.'),
  neutral: z
    .number()
    .optional()
    .describe('The score that is neither good nor bad: rows above it are desirable, rows below undesirable.'),
});

const samplesSchema = z.strictObject({
  every_steps: count.optional().describe('Optimizer steps from one time to the next. Default 50.'),
  prompts: count.optional().describe('How many prompts, from the first row on. Default 2.'),
  max_new_tokens: count.optional().describe('Tokens of a completion, at most. Default 64.'),
  temperature: notNegative
    .optional()
    .describe(
      'Of the probabilities that tokens are drawn from; 0 takes the most probable one always. Default 0.',
    ),
});

export const stageSchema = z.strictObject({
  method: z
    .enum(methodNames)
    .optional()
    .describe(
      'How to train. Rows of single completions: kto, apo_zero_unpaired, ppo_clip. Pairs of chosen and rejected: ' +
        'dpo, cpo, simpo, orpo, slic. Either: sft, csft.',
    ),
  model: path
    .optional()
    .describe(
      'Hugging Face directory to start from, or hf:OWNER/NAME, hf:OWNER/NAME@REVISION, s3://BUCKET/PREFIX. Default in a ' +
        'later stage: the model that the stage before wrote.',
    ),
  adapter: path
    .nullable()
    .optional()
    .describe("PEFT directory of an adapter of the model's, to go on training. Default (or null): none."),
  lora: loraSchema
    .nullable()
    .optional()
    .describe(
      'Train a fresh LoRA adapter instead of the model; {} for the defaults. It wants a learning rate about ten ' +
        'times as high. Default (or null): none.',
    ),
  reference: path
    .nullable()
    .optional()
    .describe(
      'kto, apo_zero_unpaired, ppo_clip, dpo: Hugging Face directory of the frozen reference, or base: with adapter, ' +
        'the model without it (write ./base for a directory of that name). Default (or null): what the stage starts ' +
        'from.',
    ),
  data: dataSchema.optional().describe('What to train and evaluate on.'),

  beta: positive
    .optional()
    .describe(
      'kto, apo_zero_unpaired, dpo: how strongly the policy is held to the reference, in 1/nat. cpo, simpo: scale of ' +
        'the log-probs. orpo: weight of the odds ratio. slic: margin of log-probs, in nats. Default 0.1; slic 1.',
    ),
  desirable_weight: weight
    .optional()
    .describe(
      'kto, apo_zero_unpaired: weight of desirable examples, λ_D; auto: as much as makes both classes count the ' +
        'same. Default 1.',
    ),
  undesirable_weight: weight
    .optional()
    .describe(
      'kto, apo_zero_unpaired: weight of undesirable examples, λ_U; auto: as much as makes both classes count the ' +
        'same. Default 1.',
    ),
  z0_denominator: z
    .enum(['all', 'nonzero'])
    .optional()
    .describe(
      'kto: which mismatched pairs the mean of z0 counts: all, as TRL, or nonzero: those with a log-ratio other ' +
        'than 0, as HALOs. Default all.',
    ),
  share_prompts: z
    .boolean()
    .optional()
    .describe(
      'kto: compute a prompt once for its own completion and for the mismatched one of z0. Saves time where a worker has ' +
        'one or two micro-batches of a step, and costs some where it has more. Changes the last bits of a result. ' +
        'Default: true where a step has at most two micro-batches.',
    ),
  humanline: humanlineSchema
    .nullable()
    .optional()
    .describe(
      'kto: clamp the log-ratio of every token, as HALOs; {} for its bounds. Default (or null): no clamping.',
    ),
  score_scale: scoreScaleSchema
    .nullable()
    .optional()
    .describe('kto: rows have a score on this scale instead of a label. Default (or null): labels.'),
  loss_type: z
    .enum(dpoLossTypes)
    .optional()
    .describe("dpo: the loss on a pair's log-ratios, under TRL's names. Default sigmoid."),
  label_smoothing: z
    .number()
    .min(0)
    .lt(0.5)
    .optional()
    .describe(
      'dpo (sigmoid, sigmoid_norm, robust, exo_pair), cpo: how often a pair is taken to be the wrong way round. ' +
        'Default 0.',
    ),
  cpo_alpha: notNegative.optional().describe("cpo: weight of the chosen completions' likelihood. Default 1."),
  simpo_gamma: notNegative
    .optional()
    .describe('simpo: margin of rewards between chosen and rejected. Default 0.5.'),
  lambda_coef: notNegative
    .optional()
    .describe("slic: weight of the chosen completion's likelihood. Default 0.1."),
  cliprange: positive
    .optional()
    .describe("ppo_clip: how far a token's probability ratio may move from 1. Default 0.5."),
  kl_coef: notNegative.optional().describe('ppo_clip: weight of the KL penalty. Default 0.1.'),
  gamma: share.optional().describe('ppo_clip: discount of the reward by token. Default 0.99.'),
  lam: share.optional().describe('ppo_clip: λ of the generalized advantage estimate. Default 0.95.'),
  critic_coef: notNegative
    .optional()
    .describe("ppo_clip: weight of the critic's loss; 0 for no critic. Default 0.01."),
  desirable_control: text
    .optional()
    .describe('csft: text that begins every desirable completion. Default <|good|>.'),
  undesirable_control: text
    .optional()
    .describe('csft: text that begins every undesirable completion. Default <|bad|>.'),

  learning_rate: positive
    .optional()
    .describe(
      'Peak learning rate of AdamW. Default 1e-6; 5e-6 for ppo_clip and slic, 2e-5 for sft and csft. With an ' +
        'adapter too: the default is not raised for it.',
    ),
  lr_schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .optional()
    .describe('How the learning rate goes on after the warm-up; linear and cosine end at 0. Default linear.'),
  warmup_steps: z
    .int32()
    .min(0)
    .optional()
    .describe('Optimizer steps over which the learning rate rises from 0 to its peak. Default 0.'),
  adam_beta1: fraction.optional().describe("AdamW: decay of the gradient's mean, per step. Default 0.9."),
  adam_beta2: fraction
    .optional()
    .describe("AdamW: decay of the squared gradient's mean, per step. Default 0.999."),
  adam_epsilon: positive.optional().describe('AdamW: added to the denominator. Default 1e-8.'),
  weight_decay: notNegative
    .optional()
    .describe(
      'AdamW: decoupled weight decay, times the learning rate; biases and norms are left out. Default 0.',
    ),
  max_grad_norm: notNegative
    .optional()
    .describe('Global L2 norm that gradients are clipped to; 0 for no clipping. Default 1.'),

  on_nonfinite: z
    .enum(['fail', 'skip'])
    .optional()
    .describe(
      'At a gradient that is not finite: fail names the step, the rows and the parameter; skip leaves the weights as ' +
        'they are, and counts. Default fail.',
    ),

  eval_steps: z
    .int32()
    .min(0)
    .optional()
    .describe(
      'Optimizer steps between judgements of the held-out rows; 0: at the start and the end only. Default 0.',
    ),
  samples: samplesSchema
    .nullable()
    .optional()
    .describe(
      'Have the policy continue prompts of data.eval, or of data.train where there is none, for you to read; {} for ' +
        'the defaults. It takes time. Default (or null): none.',
    ),

  max_steps: count
    .nullable()
    .optional()
    .describe('Optimizer steps, instead of epochs. Default (or null): as many as the epochs take.'),
  epochs: count.optional().describe('Passes over the training rows. Default 3.'),
  global_batch_size: count
    .optional()
    .describe('Examples per optimizer step, over all workers together. Default 16.'),
  micro_batch_size: count
    .optional()
    .describe(
      'Examples computed together. Sets the memory of a worker; global_batch_size / micro_batch_size micro-batches ' +
        'are shared out among the workers. Default 4, or global_batch_size where that is less.',
    ),
  activation_memory: positive
    .nullable()
    .optional()
    .describe(
      'GiB on each worker for the activations of layers that a micro-batch keeps for its gradient; what does not fit is ' +
        'computed again, which takes up to a third longer and gives the same bits. Default (or null): as much as they take.',
    ),
  max_length: z
    .int32()
    .min(2)
    .optional()
    .describe('Tokens of prompt and completion together; a longer completion is cut. Default 1024.'),
  max_prompt_length: count
    .optional()
    .describe('Tokens of the prompt; a longer one keeps its end. Default: half of max_length.'),
  shuffle: z
    .boolean()
    .optional()
    .describe(
      'Whether each epoch takes the rows in a new, seeded order instead of the order of the file. Default true.',
    ),
  seed: z.uint32().optional().describe('Seed of everything random. Default 42.'),
});

/** The maps in a stage, by their keys. */
export const stageMaps = {
  data: dataSchema,
  lora: loraSchema,
  humanline: humanlineSchema,
  score_scale: scoreScaleSchema,
  samples: samplesSchema,
} as const;

/** The keys of a stage may stand at the top, for all stages; those of a run only there. */
export const runFileSchema = stageSchema.extend({
  workers: count.optional().describe('Worker processes; results do not depend on it. Default 1.'),
  threads_per_worker: z
    .union([z.literal('auto'), count], 'must be a whole number of at least 1, or auto')
    .optional()
    .describe(
      'Threads that each worker and the reference replica compute with. Default auto: the cores of the machine that ' +
        'submits, divided by workers. Results are bitwise equal between runs of the same value.',
    ),
  min_workers: count
    .optional()
    .describe(
      'Workers that the run goes on with where others are lost; with fewer it waits for new ones. Default 1.',
    ),
  max_restarts: z
    .int32()
    .min(0)
    .optional()
    .describe(
      'How often in a row one worker may fail without a finished step in between; then it is not started again. ' +
        'Default 5.',
    ),
  save_steps: z
    .int32()
    .min(0)
    .optional()
    .describe(
      'Optimizer steps from one checkpoint to the next. They are written beside training; 0: none but the one that a ' +
        'stopped run ends with. Default 100.',
    ),
  save_total_limit: count.optional().describe('Checkpoints that are kept, the newest ones. Default 2.'),
  stages: z
    .array(stageSchema)
    .min(1)
    .optional()
    .describe(
      'Trained one after the other, each from the model that the one before wrote. Default: a single stage.',
    ),
});

export type StageKeys = z.infer<typeof stageSchema>;
export type RunFile = z.infer<typeof runFileSchema>;
