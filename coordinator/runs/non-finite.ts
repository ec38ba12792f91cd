import { RunError } from '../../lib/errors.js';
import type { NonFinite } from './batch-reports.js';

const MOST_ROWS = 10;

/** The error of a run that does not skip such steps. */
export function nonFiniteError(step: number, nonFinite: NonFinite): RunError {
  return new RunError(
    `${describeNonFinite(`step ${step}`, nonFinite)}. No weight was changed; a lower learning_rate or max_grad_norm may help`,
  );
}

/** `step 12: the gradient of lm_head.weight is not finite; it comes from data rows 3, 17`; rows count from 1 for people. */
export function describeNonFinite(when: string, { what, rows }: NonFinite): string {
  const text = `${when}: ${what} is not finite`;
  if (rows.length === 0) return text;
  const shown = rows.slice(0, MOST_ROWS).map((row) => row + 1);
  const more = rows.length > MOST_ROWS ? ` and ${rows.length - MOST_ROWS} more` : '';
  return `${text}; it comes from data ${rows.length === 1 ? 'row' : 'rows'} ${shown.join(', ')}${more}`;
}
