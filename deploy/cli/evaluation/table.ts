import { formatPercent } from '../output/numbers.js';
import type { Table } from '../output/table.js';
import type { BeforeAfter, Evaluation } from './evaluations.js';

/** The before/after table of held-out rows: those of the figures that their method has. */
export function evaluationTable({ before, after }: BeforeAfter): Table {
  const rows = figuresOf(before).flatMap(({ name, key, format = fixed }) => {
    const values = [before[key], after[key]];
    if (values.every((value) => value === null)) return [];
    return [[name, ...values.map((value) => (value === null ? '–' : format(value)))]];
  });
  return { header: ['held-out rows', 'before', 'after'], rows };
}

/** True where the policy is its own reference: nothing has a reward yet. */
export function isOwnReference(evaluation: Evaluation): boolean {
  const rewards = [evaluation['eval_rewards/chosen'], evaluation['eval_rewards/rejected']];
  return (
    evaluation['eval_rewards/accuracies'] === 0 && rewards.every((reward) => reward === null || reward === 0)
  );
}

interface Figure {
  readonly name: string;
  readonly key: Exclude<keyof Evaluation, 'step' | 'stage' | 'method' | 'rows'>;
  /** By default, with three decimals. */
  readonly format?: (value: number) => string;
}

/** Of pairs, which of the two is better counts; of single completions, on which side of the reference point each is. */
function figuresOf(evaluation: Evaluation): readonly Figure[] {
  const isPaired =
    evaluation['eval_rewards/accuracies'] !== null &&
    evaluation['eval_accuracy/chosen'] === null &&
    evaluation['eval_accuracy/rejected'] === null;
  const [good, bad] = isPaired ? ['chosen: ', 'rejected: '] : classesOf(evaluation);
  const point = evaluation.eval_kl === null ? '0' : 'z0';
  return [
    { name: 'loss', key: 'eval_loss' },
    { name: 'z0 (KL estimate, nats)', key: 'eval_kl' },
    ...(isPaired
      ? [{ name: 'chosen above rejected', key: 'eval_rewards/accuracies', format: formatPercent } as const]
      : []),
    { name: `${good}above ${point}`, key: 'eval_accuracy/chosen', format: formatPercent },
    { name: `${bad}below ${point}`, key: 'eval_accuracy/rejected', format: formatPercent },
    { name: `${good}mean reward`, key: 'eval_rewards/chosen' },
    { name: `${bad}mean reward`, key: 'eval_rewards/rejected' },
    { name: `${good}log-prob per token`, key: 'eval_logps_per_token/chosen' },
    { name: `${bad}log-prob per token`, key: 'eval_logps_per_token/rejected' },
  ];
}

/** Rows that are imitated have one class, which needs no name. */
function classesOf(evaluation: Evaluation): readonly [string, string] {
  const isOneClass =
    evaluation['eval_rewards/accuracies'] === null && evaluation['eval_logps_per_token/rejected'] === null;
  return isOneClass ? ['', ''] : ['thumbs up: ', 'thumbs down: '];
}

function fixed(value: number): string {
  return value.toFixed(3);
}
