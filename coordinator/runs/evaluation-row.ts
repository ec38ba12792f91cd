import type { Method } from '../../lib/config/types.js';
import { needsOf } from '../../lib/methods/needs.js';
import type { MethodConfig } from '../../lib/methods/config.js';
import {
  classMeans,
  completionsByClass,
  finiteOrNull,
  mean,
  sumOfLosses,
  type CompletionResult,
  type ExampleResult,
} from './class-means.js';

/**
 * One line of evaluations.jsonl: the held-out rows as the policy after a step judges them. Names are TRL's, and mean what
 * they mean in metrics.jsonl; null for what the method lacks, for a class that the rows lack, and for what is not finite.
 */
export interface EvaluationRow {
  /** Optimizer step of the stage; 0 before the first. */
  readonly step: number;
  /** From 1. */
  readonly stage: number;
  readonly method: Method;
  /** Epochs done after this step. */
  readonly epoch: number;
  /** Completions, or pairs of them. */
  readonly rows: number;
  readonly eval_loss: number | null;
  /** z0 of the held-out rows, in nats. */
  readonly eval_kl: number | null;
  readonly eval_kl_unclamped: number | null;
  readonly 'eval_rewards/chosen': number | null;
  readonly 'eval_rewards/rejected': number | null;
  readonly 'eval_rewards/margins': number | null;
  /** Share of the pairs whose chosen completion has the greater reward, or of the completions on their side of z0. */
  readonly 'eval_rewards/accuracies': number | null;
  /** The latter, of desirable completions alone; null for pairs. */
  readonly 'eval_accuracy/chosen': number | null;
  /** Of undesirable ones. */
  readonly 'eval_accuracy/rejected': number | null;
  /** Mean sum of a completion's log-probs, in nats. */
  readonly 'eval_logps/chosen': number | null;
  readonly 'eval_logps/rejected': number | null;
  /** Mean over all tokens of the class, in nats. */
  readonly 'eval_logps_per_token/chosen': number | null;
  readonly 'eval_logps_per_token/rejected': number | null;
  /** From the order to the last worker's report. */
  readonly eval_runtime_s: number;
}

export type EvaluationTotals = Pick<EvaluationRow, 'step' | 'stage' | 'epoch' | 'eval_runtime_s'> & {
  readonly objective: MethodConfig;
  readonly z0: number | null;
  readonly klUnclamped: number | null;
};

/** @param examples in position order, in which sums are taken */
export function evaluationRow(totals: EvaluationTotals, examples: readonly ExampleResult[]): EvaluationRow {
  const { objective, z0 } = totals;
  const classes = completionsByClass(examples);
  const means = classMeans(classes);
  return {
    step: totals.step,
    stage: totals.stage,
    method: objective.method,
    epoch: totals.epoch,
    rows: examples.length,
    eval_loss: sumOfLosses(examples),
    eval_kl: finiteOrNull(z0),
    eval_kl_unclamped: finiteOrNull(totals.klUnclamped),
    'eval_rewards/chosen': means['rewards/chosen'],
    'eval_rewards/rejected': means['rewards/rejected'],
    'eval_rewards/margins': means['rewards/margins'],
    ...accuracies(objective, z0, examples),
    'eval_logps/chosen': means['logps/chosen'],
    'eval_logps/rejected': means['logps/rejected'],
    'eval_logps_per_token/chosen': logpPerToken(classes.chosen),
    'eval_logps_per_token/rejected': logpPerToken(classes.rejected),
    eval_runtime_s: totals.eval_runtime_s,
  };
}

type Accuracies = Pick<
  EvaluationRow,
  'eval_rewards/accuracies' | 'eval_accuracy/chosen' | 'eval_accuracy/rejected'
>;

/** At a tie neither side is right: a model that is its own reference has an accuracy of 0. */
function accuracies(
  objective: MethodConfig,
  z0: number | null,
  examples: readonly ExampleResult[],
): Accuracies {
  if (needsOf(objective).rows === 'paired') {
    const share = shareOf(examples, ({ completions: [chosen, rejected] }) =>
      difference(chosen!.reward, rejected!.reward),
    );
    return {
      'eval_rewards/accuracies': share,
      'eval_accuracy/chosen': null,
      'eval_accuracy/rejected': null,
    };
  }
  // Rewards are log-ratios times beta, and so is the reference point that they are compared with.
  const threshold = objective.method === 'kto' && z0 !== null ? objective.beta * z0 : 0;
  const gain = ({ chosen, reward }: CompletionResult) =>
    chosen ? difference(reward, threshold) : difference(threshold, reward);
  const { chosen, rejected } = completionsByClass(examples);
  return {
    'eval_rewards/accuracies': shareOf([...chosen, ...rejected], gain),
    'eval_accuracy/chosen': shareOf(chosen, gain),
    'eval_accuracy/rejected': shareOf(rejected, gain),
  };
}

/** The share of the items that gain; null for none, and where a gain is unknown. */
function shareOf<Item>(items: readonly Item[], gain: (item: Item) => number | null): number | null {
  return mean(
    items.map((item) => {
      const gained = gain(item);
      if (gained === null) return null;
      return gained > 0 ? 1 : 0;
    }),
  );
}

/** Null where one is unknown, or they cannot be compared. */
function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : finiteOrNull(a - b);
}

function logpPerToken(completions: readonly CompletionResult[]): number | null {
  const [logp, tokens] = completions.reduce(
    ([sum, count], completion) => [sum + completion.logp, count + completion.tokens],
    [0, 0],
  );
  return tokens === 0 ? null : finiteOrNull(logp / tokens);
}
