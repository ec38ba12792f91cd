import type { Method, MethodConfig } from './config.js';

/** What a method takes from data, reference and model. */
export interface MethodNeeds {
  /** Pairs of a chosen and a rejected completion, completions by themselves, or either. */
  readonly rows: 'paired' | 'unpaired' | 'any';
  /** Thumbs up or down on every completion. */
  readonly labels: boolean;
  /** A score of every completion, instead of a label. */
  readonly scores: boolean;
  /** Log-probs of a frozen reference. */
  readonly reference: boolean;
  /** It gives completions rewards: of the log-ratio or, without a reference, of the policy's own log-probs. */
  readonly rewards: boolean;
  /** Log-probs of every prompt with another one's completion, of policy and reference: KTO's z0. */
  readonly mismatchedPairs: boolean;
  /** Log-probs by token, of policy and reference, instead of their sum over the completion. */
  readonly tokenLevel: boolean;
  /** A value head on the model, and its values before the step. */
  readonly critic: boolean;
}

const nothing: MethodNeeds = {
  rows: 'any',
  labels: false,
  scores: false,
  reference: false,
  rewards: false,
  mismatchedPairs: false,
  tokenLevel: false,
  critic: false,
};
const paired: MethodNeeds = { ...nothing, rows: 'paired', rewards: true };
const labelled: MethodNeeds = { ...nothing, rows: 'unpaired', labels: true, reference: true, rewards: true };

/** Of each method with its default settings. */
const defaultNeeds: Record<Method, MethodNeeds> = {
  kto: { ...labelled, mismatchedPairs: true },
  // KTO around a reference point of 0, which needs no estimate.
  apo_zero_unpaired: labelled,
  ppo_clip: { ...labelled, tokenLevel: true, critic: true },
  dpo: { ...paired, reference: true },
  cpo: paired,
  simpo: paired,
  orpo: paired,
  slic: paired,
  sft: nothing,
  // Both completions of a pair have their label.
  csft: { ...nothing, labels: true },
};

/** Every method, by its name in a run file. */
export const methodNames = Object.keys(defaultNeeds) as readonly Method[];

export function needsOf(config: MethodConfig): MethodNeeds {
  const needs = defaultNeeds[config.method];
  if (config.method === 'kto') {
    const scores = config.scoreScale !== null;
    return { ...needs, labels: !scores, scores, tokenLevel: config.humanline !== null };
  }
  return config.method === 'ppo_clip' ? { ...needs, critic: config.criticCoef > 0 } : needs;
}

/** Methods that need it whatever their settings. */
export function methodsThatNeed(need: 'reference' | 'mismatchedPairs'): readonly Method[] {
  return methodNames.filter((method) => defaultNeeds[method][need]);
}
