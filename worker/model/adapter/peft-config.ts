import { z } from 'zod';

import { ConfigError } from '../../../lib/errors.js';
import type { TargetModules } from './targets.js';

/** What PEFT's `adapter_config.json` says of a LoRA adapter. */
export interface PeftConfig {
  readonly r: number;
  /** What the update is multiplied by. */
  readonly scale: number;
  readonly targets: TargetModules;
  /** The whole file, to be written again. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** They change nothing in what the adapter computes. */
const NEUTRAL = [
  'auto_mapping',
  'base_model_name_or_path',
  // The layout of the layer's own weight, which the model knows.
  'fan_in_fan_out',
  'inference_mode',
  'lora_dropout',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'task_type',
];

const schema = z.looseObject({
  peft_type: z.literal('LORA', { error: 'only LORA adapters are supported' }),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]),
  use_rslora: z.boolean().default(false),
  bias: z.literal('none', { error: 'adapters that train biases are not supported' }).default('none'),
  // The other ways to begin change the base model's weights as well.
  init_lora_weights: z
    .union([z.boolean(), z.enum(['gaussian', 'orthogonal'])], {
      error: 'this way to begin changes the base model, which is not supported',
    })
    .default(true),
});

/**
 * @param json parsed `adapter_config.json`
 * @param path where it was read, for messages
 * @throws ConfigError if it is not LoRA, or has an option set that Prospect does not know.
 */
export function readPeftConfig(json: unknown, path: string): PeftConfig {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const { path: key, message } = parsed.error.issues[0]!;
    throw new ConfigError(`${path}: ${[...key.map(String), message].join(': ')}`);
  }
  const known = new Set([...Object.keys(schema.shape), ...NEUTRAL]);
  const unsupported = Object.entries(parsed.data).find(([key, value]) => !known.has(key) && !isOff(value));
  if (unsupported !== undefined) {
    const [key, value] = unsupported;
    throw new ConfigError(`${path}: ${key} ${JSON.stringify(value)} is not supported`);
  }
  const { r, lora_alpha: alpha, target_modules: targets, use_rslora: isRankStabilized } = parsed.data;
  return {
    r,
    // Kalajdzievski 2023, arXiv:2312.03732.
    scale: isRankStabilized ? alpha / Math.sqrt(r) : alpha / r,
    targets: typeof targets === 'string' ? targetsOf(targets) : targets,
    json: { ...parsed.data, inference_mode: true, lora_dropout: 0 },
  };
}

/** What PEFT leaves at its default where an option is not used. */
function isOff(value: unknown): boolean {
  if (value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function targetsOf(text: string): TargetModules {
  return text.toLowerCase() === 'all-linear' ? 'all-linear' : { pattern: text };
}
