import { z } from 'zod';

import { ConfigError } from '../../../lib/errors.js';
import { oneLine } from '../../../lib/text.js';
import type { Blueprint, Family } from './family.js';
import { gemma2 } from './gemma2.js';
import { gpt2 } from './gpt2.js';
import { gptNeox } from './gpt-neox.js';
import { llama } from './llama.js';
import { mistral } from './mistral.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';

/** By the name that `config.json` has under `architectures`. */
const families: ReadonlyMap<string, Family> = new Map([
  ['GPT2LMHeadModel', gpt2],
  ['GPTNeoXForCausalLM', gptNeox],
  ['Gemma2ForCausalLM', gemma2],
  ['LlamaForCausalLM', llama],
  ['MistralForCausalLM', mistral],
  ['Qwen2ForCausalLM', qwen2],
  ['Qwen3ForCausalLM', qwen3],
]);

const headerSchema = z.looseObject({ architectures: z.array(z.string()).min(1) });

export interface ReadConfig {
  readonly architecture: string;
  readonly family: Family;
  readonly blueprint: Blueprint;
}

/**
 * @param json parsed `config.json`, of either style (`rope_parameters` and `dtype` since transformers 5)
 * @param path where it was read, for messages
 * @throws ConfigError for an architecture that is not supported (it lists those that are) and for bad values.
 */
export function readModelConfig(json: unknown, path: string): ReadConfig {
  const header = headerSchema.safeParse(json);
  const architecture = header.data?.architectures[0];
  if (architecture === undefined) throw new ConfigError(`${path}: "architectures" names no architecture`);
  const family = families.get(architecture);
  if (family === undefined) {
    const supported = [...families.keys()].join(', ');
    throw new ConfigError(
      `${path}: architecture ${oneLine(architecture)} is not supported; supported are: ${supported}`,
    );
  }
  try {
    return { architecture, family, blueprint: family.read(json) };
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const { path: key, message } = error.issues[0]!;
    throw new ConfigError(`${path}: ${[...key.map(String), message].join(': ')}`);
  }
}
