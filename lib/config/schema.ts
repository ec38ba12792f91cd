import { z } from 'zod';

/**
 * What a user may write in a run file. Every key may be left out here; what must be there, what the defaults are and how
 * keys fit together is resolve.ts's business. Descriptions serve editors, through JSON Schema.
 */
const count = z.int32().min(1);
const positive = z.number().positive();
const notNegative = z.number().nonnegative();
const fraction = z.number().min(0).lt(1);
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'must not contain a NUL character');

const dataSchema = z.strictObject({
  train: path
    .optional()
    .describe('Training rows, a JSONL file. Relative paths start at the folder of the run file.'),
  eval: path.nullable().optional().describe('Held-out rows, a JSONL file. Default: none.'),
});

export const stageSchema = z.strictObject({
  method: z
    .enum(['kto', 'sft'])
    .optional()
    .describe('How to train: kto (Kahneman-Tversky Optimization) or sft.'),
  model: path
    .optional()
    .describe(
      'Hugging Face directory to start from. Default in a later stage: the model that the stage before wrote.',
    ),
  reference: path
    .nullable()
    .optional()
    .describe(
      'kto: Hugging Face directory of the frozen reference. Default (or null): the model the stage starts from.',
    ),
  data: dataSchema.optional().describe('What to train and evaluate on.'),

  beta: positive
    .optional()
    .describe('kto: how strongly the policy is held to the reference, in 1/nat. Default 0.1.'),
  desirable_weight: notNegative.optional().describe('kto: weight of desirable examples, λ_D. Default 1.'),
  undesirable_weight: notNegative.optional().describe('kto: weight of undesirable examples, λ_U. Default 1.'),

  learning_rate: positive
    .optional()
    .describe('Peak learning rate of AdamW. Default 1e-6 for kto, 2e-5 for sft.'),
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

/** The keys of a stage may stand at the top, for all stages; those of a run only there. */
export const runFileSchema = stageSchema.extend({
  workers: count.optional().describe('Worker processes; results do not depend on it. Default 1.'),
  threads_per_worker: z
    .union([z.literal('auto'), count], 'must be a whole number of at least 1, or auto')
    .optional()
    .describe(
      'TensorFlow threads of each worker and of the reference replica. Default auto: the cores of the machine that ' +
        'submits, divided by workers. Results are bitwise equal between runs of the same value.',
    ),
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
