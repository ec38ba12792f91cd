import type { SamplesConfig, StageConfig } from '../../lib/config/types.js';
import type { TextTokenizer } from '../data/tokenizer.js';
import type { Unit } from '../plan/unit.js';

/** Prompts that a stage's policy continues, and what makes text of ids. */
export interface StageSamples {
  readonly config: SamplesConfig;
  readonly prompts: readonly Int32Array[];
  readonly tokenizer: Pick<TextTokenizer, 'decode' | 'eosId'>;
}

/** Null where the stage wants none. The prompts are the first that differ: rows of one prompt often stand together. */
export function samplesOf(
  { samples: config }: Pick<StageConfig, 'samples'>,
  examples: readonly Unit[],
  tokenizer: StageSamples['tokenizer'],
): StageSamples | null {
  if (config === null) return null;
  const prompts = new Map<string, Int32Array>();
  for (const { promptIds } of examples) {
    if (prompts.size === config.prompts) break;
    const key = promptIds.join(' ');
    if (!prompts.has(key)) prompts.set(key, promptIds);
  }
  return { config, prompts: [...prompts.values()], tokenizer };
}
