import { methodNames, methodsThatNeed } from '../methods/needs.js';
import type { StageKeys } from './schema.js';
import type { Method } from './types.js';

/** Keys that not every method reads, and those that do. */
const READERS: { readonly [Key in keyof StageKeys]?: readonly Method[] } = {
  reference: methodsThatNeed('reference'),
  beta: ['kto', 'apo_zero_unpaired', 'dpo', 'cpo', 'simpo', 'orpo', 'slic'],
  desirable_weight: ['kto', 'apo_zero_unpaired'],
  undesirable_weight: ['kto', 'apo_zero_unpaired'],
  z0_denominator: ['kto'],
  share_prompts: methodsThatNeed('mismatchedPairs'),
  humanline: ['kto'],
  score_scale: ['kto'],
  loss_type: ['dpo'],
  label_smoothing: ['dpo', 'cpo'],
  cpo_alpha: ['cpo'],
  simpo_gamma: ['simpo'],
  lambda_coef: ['slic'],
  cliprange: ['ppo_clip'],
  kl_coef: ['ppo_clip'],
  gamma: ['ppo_clip'],
  lam: ['ppo_clip'],
  critic_coef: ['ppo_clip'],
  desirable_control: ['csft'],
  undesirable_control: ['csft'],
};

export const methodKeys = Object.keys(READERS) as readonly (keyof StageKeys)[];

/** The methods that read a key. */
export function readersOf(key: keyof StageKeys): readonly Method[] {
  return READERS[key] ?? methodNames;
}
