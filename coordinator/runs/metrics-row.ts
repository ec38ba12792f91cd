import type { Method } from '../../lib/config/types.js';

/**
 * One line of metrics.jsonl. Names are TRL's; null for what the method lacks, for a class that the batch lacks, and for
 * what is not finite in a skipped step.
 */
export interface MetricsRow {
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
  readonly 'rewards/chosen': number | null;
  readonly 'rewards/rejected': number | null;
  readonly 'rewards/margins': number | null;
  readonly 'logps/chosen': number | null;
  readonly 'logps/rejected': number | null;
  /** Global L2 norm before clipping. */
  readonly grad_norm: number | null;
  readonly learning_rate: number;
  /** Prompt and completion tokens since the stage began. */
  readonly num_tokens: number;
  readonly step_time_s: number;
}

/** What the workers said of one completion of the batch. */
export interface CompletionResult {
  /** Thumbs up, the better one of a pair, or of a method that takes no label. */
  readonly chosen: boolean;
  readonly logp: number;
  /** Null where the method has no reward. */
  readonly reward: number | null;
}

/** What the workers said of one example of the batch. */
export interface ExampleResult {
  /** Its share of the batch's loss. */
  readonly loss: number;
  readonly completions: readonly CompletionResult[];
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
  const completions = examples.flatMap((example) => example.completions);
  const chosen = completions.filter((completion) => completion.chosen);
  const rejected = completions.filter((completion) => !completion.chosen);
  const rewardsChosen = mean(chosen.map(({ reward }) => reward));
  const rewardsRejected = mean(rejected.map(({ reward }) => reward));
  const margin = rewardsChosen === null || rewardsRejected === null ? null : rewardsChosen - rewardsRejected;
  return {
    step: totals.step,
    stage: totals.stage,
    method: totals.method,
    epoch: totals.epoch,
    loss: finiteOrNull(examples.reduce((sum, { loss }) => sum + loss, 0)),
    kl: finiteOrNull(totals.kl),
    kl_unclamped: finiteOrNull(totals.kl_unclamped),
    'rewards/chosen': finiteOrNull(rewardsChosen),
    'rewards/rejected': finiteOrNull(rewardsRejected),
    'rewards/margins': finiteOrNull(margin),
    'logps/chosen': finiteOrNull(mean(chosen.map(({ logp }) => logp))),
    'logps/rejected': finiteOrNull(mean(rejected.map(({ logp }) => logp))),
    grad_norm: finiteOrNull(totals.grad_norm),
    learning_rate: totals.learning_rate,
    num_tokens: totals.num_tokens,
    step_time_s: totals.step_time_s,
  };
}

function mean(values: readonly (number | null)[]): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum / values.length;
}

function finiteOrNull(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
