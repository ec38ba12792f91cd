import type { MethodConfig } from '../../lib/methods/config.js';
import type { MetricsRow } from '../runs/metrics-row.js';

/** What a diagnosis looks at of one committed step. */
export interface Observation {
  readonly row: MetricsRow;
  readonly workers: readonly WorkerLoad[];
}

/** What a worker did in a step by itself, without any waiting for others. */
export interface WorkerLoad {
  readonly id: string;
  readonly examples: number;
  readonly gradientMs: number;
}

/** What is known of a stage before its first step. */
export interface StageFacts {
  /** With class weights as numbers. */
  readonly objective: MethodConfig<number>;
  readonly maxLength: number;
  readonly maxPromptLength: number;
  /** Rows that are trained on. */
  readonly rows: number;
  /** Of those by label, where the method takes labels; the sums of grades where it takes scores. */
  readonly desirable: number;
  readonly undesirable: number;
  /** Of their prompts, those that lost their beginning; of their completions, those that lost their end. */
  readonly promptsCut: number;
  readonly completionsCut: number;
}

/**
 * What a rule says of the last steps: the condition holds, it does not, or neither is sure, so that what was said last
 * still counts.
 */
export type Verdict = { readonly holds: true; readonly line: string } | { readonly holds: false } | 'unsure';

export const clear: Verdict = { holds: false };

export const found = (line: string): Verdict => ({ holds: true, line });

/** Looks at a stage's latest steps, oldest first; one condition a key. */
export type Rule = (steps: readonly Observation[]) => ReadonlyMap<string, Verdict>;
