import { evaluationKeys, type CurvePoint, type EvaluationKey } from './curve.js';
import type { StepRow } from './events.js';

/** Where a stage stood after a step. */
export interface Place {
  readonly step: number;
  /** Since the stage began. */
  readonly tokens: number;
}

/** What is drawn of a line of metrics.jsonl that comes after `before`. */
export function stepPoint(row: StepRow, before: Place): CurvePoint {
  const tokens = numberOf(row, 'num_tokens');
  const seconds = numberOf(row, 'step_time_s');
  // Where a step between is missing, its tokens are of another time.
  const follows = numberOf(row, 'step') === before.step + 1;
  return {
    loss: numberOf(row, 'loss'),
    kl: numberOf(row, 'kl'),
    kl_unclamped: numberOf(row, 'kl_unclamped'),
    'rewards/chosen': numberOf(row, 'rewards/chosen'),
    'rewards/rejected': numberOf(row, 'rewards/rejected'),
    'rewards/margins': numberOf(row, 'rewards/margins'),
    grad_norm: numberOf(row, 'grad_norm'),
    tokens_per_s:
      follows && tokens !== null && seconds !== null && seconds > 0
        ? (tokens - before.tokens) / seconds
        : null,
  };
}

/** What is drawn of a line of evaluations.jsonl. */
export function evaluationPoint(row: StepRow): CurvePoint<EvaluationKey> {
  return Object.fromEntries(evaluationKeys.map((key) => [key, numberOf(row, key)]));
}

/** Null for what is no number: absent, null, or text. */
export function numberOf(row: StepRow, key: string): number | null {
  const value = row[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
