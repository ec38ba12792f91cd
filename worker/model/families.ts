import { z } from 'zod';

import { ConfigError } from '../../lib/errors.js';
import type { Architecture } from './architecture.js';
import { isRedundantInLlama, llama, llamaConfigSchema, type LlamaConfig } from './llama.js';

export type ModelConfig = LlamaConfig;

/** By the name that `config.json` has under `architectures`. */
const families = {
  LlamaForCausalLM: { schema: llamaConfigSchema, build: llama, isRedundant: isRedundantInLlama },
} as const;

const headerSchema = z.looseObject({ architectures: z.array(z.string()).min(1) });

/**
 * @param json parsed `config.json`
 * @param path where it was read, for messages
 * @throws ConfigError for an architecture that is not supported (it lists those that are) and for bad values.
 */
export function parseModelConfig(json: unknown, path: string): ModelConfig {
  const header = headerSchema.safeParse(json);
  const architecture = header.data?.architectures[0];
  if (architecture === undefined) throw new ConfigError(`${path}: "architectures" names no architecture`);
  if (!isSupported(architecture)) {
    const supported = Object.keys(families).join(', ');
    throw new ConfigError(
      `${path}: architecture ${architecture} is not supported; supported are: ${supported}`,
    );
  }
  const config = families[architecture].schema.safeParse(json);
  if (!config.success) {
    const { path: key, message } = config.error.issues[0]!;
    throw new ConfigError(`${path}: ${[...key.map(String), message].join(': ')}`);
  }
  return config.data;
}

export function buildArchitecture(config: ModelConfig): Architecture {
  return families[config.architecture].build(config);
}

/** Whether a file may hold this tensor although it is not a parameter of the model. */
export function isRedundant(name: string, config: ModelConfig): boolean {
  return families[config.architecture].isRedundant(name, config);
}

function isSupported(name: string): name is keyof typeof families {
  return Object.hasOwn(families, name);
}
