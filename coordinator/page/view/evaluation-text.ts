import type { StepRow } from './events.js';
import { numberOf } from './step-point.js';

/** `before the first step`, `after step 50`. */
export function afterStep(step: number): string {
  return step === 0 ? 'before the first step' : `after step ${step}`;
}

/** A line of evaluations.jsonl in words: `loss 0.480, kl 0.0201, right side 71 % up / 64 % down`. */
export function evaluationText(row: StepRow): string {
  const facts = [
    fact('loss', numberOf(row, 'eval_loss')),
    fact('kl', numberOf(row, 'eval_kl')),
    rightSide(row),
  ];
  return facts.filter((text) => text !== '').join(', ');
}

function fact(name: string, value: number | null): string {
  return value === null ? '' : `${name} ${value === 0 ? '0' : value.toPrecision(3)}`;
}

/** Shares of single completions by class, or of pairs. */
function rightSide(row: StepRow): string {
  const share = (key: string, name: string) => {
    const value = numberOf(row, key);
    return value === null ? [] : [`${(100 * value).toFixed(0)} % ${name}`];
  };
  const classes = [...share('eval_accuracy/chosen', 'up'), ...share('eval_accuracy/rejected', 'down')];
  if (classes.length > 0) return `right side ${classes.join(' / ')}`;
  return share('eval_rewards/accuracies', 'of the pairs the right way round').join('');
}
