import type { Method } from '../../lib/config/types.js';
import {
  classMeans,
  completionsByClass,
  finiteOrNull,
  sumOfLosses,
  type ClassMeans,
  type ExampleResult,
} from './class-means.js';

/**
 * One line of metrics.jsonl. Names are TRL's; null for what the method lacks, for a class that the batch lacks, and for
 * what is not finite in a skipped step.
 */
export interface MetricsRow extends ClassMeans {
  /** Optimizer step of the stage, from 1. */
  readonly step: number;
  /** From 1. */
  readonly stage: number;
  readonly method: Method;
  /** Epochs done after this step. */
  readonly epoch: number;
  readonly loss: number | null;
  /** z0, in nats. */
  readonly kl: number | null;
  /** The mean log-ratio of the mismatched pairs, which `kl` is the clamp of. */
  readonly kl_unclamped: number | null;
  /** Global L2 norm before clipping. */
  readonly grad_norm: number | null;
  readonly learning_rate: number;
  /** Prompt and completion tokens since the stage began. */
  readonly num_tokens: number;
  readonly step_time_s: number;
}

export type StepTotals = Pick<
  MetricsRow,
  | 'step'
  | 'stage'
  | 'method'
  | 'epoch'
  | 'kl'
  | 'kl_unclamped'
  | 'grad_norm'
  | 'learning_rate'
  | 'num_tokens'
  | 'step_time_s'
>;

/**
 * The metrics of a step over its whole global batch. `examples` are in position order, and sums are taken in it, so
 * that the figures do not depend on which worker computed what.
 */
export function metricsRow(totals: StepTotals, examples: readonly ExampleResult[]): MetricsRow {
  return {
    step: totals.step,
    stage: totals.stage,
    method: totals.method,
    epoch: totals.epoch,
    loss: sumOfLosses(examples),
    kl: finiteOrNull(totals.kl),
    kl_unclamped: finiteOrNull(totals.kl_unclamped),
    ...classMeans(completionsByClass(examples)),
    grad_norm: finiteOrNull(totals.grad_norm),
    learning_rate: totals.learning_rate,
    num_tokens: totals.num_tokens,
    step_time_s: totals.step_time_s,
  };
}
