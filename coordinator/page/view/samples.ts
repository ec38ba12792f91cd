import type { SampledCompletion } from './events.js';

/** What the policy wrote after a step. */
export interface SampledStep {
  readonly step: number;
  readonly completions: readonly SampledCompletion[];
  /** Further completions, which samples.jsonl has. */
  readonly omitted: number;
}

/** The samples of a stage, at most `MAX_SAMPLED_STEPS`: its first, its newest, and others spread evenly between them. */
export interface SampleHistory {
  /** Of those that there were, every so many is kept, besides the newest. */
  stride: number;
  /** How many there were. */
  count: number;
  readonly kept: SampledStep[];
}

export const MAX_SAMPLED_STEPS = 16;

export function emptySamples(): SampleHistory {
  return { stride: 1, count: 0, kept: [] };
}

/** Adds the samples of a step, unless they are there. */
export function addSamples(history: SampleHistory, sampled: SampledStep): void {
  const { kept, count } = history;
  const newest = kept.at(-1);
  if (newest !== undefined && sampled.step <= newest.step) return;
  // It stayed as the newest only.
  if (newest !== undefined && (count - 1) % history.stride !== 0) kept.pop();
  kept.push(sampled);
  history.count = count + 1;
  if (kept.length > MAX_SAMPLED_STEPS) {
    history.stride *= 2;
    kept.push(...kept.splice(0).filter((_, i) => i % 2 === 0));
  }
}
