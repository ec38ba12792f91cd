import type { v1 } from '../../proto/services.js';
import {
  combineExamples,
  Numbers,
  readReferencePoint,
  reportOf,
  requireAgreement,
  type ExpectedReports,
  type NonFinite,
  type ReportedExample,
} from './batch-reports.js';

export interface StepResult {
  /** By position in the global batch. */
  readonly examples: readonly ReportedExample[];
  readonly z0: number | null;
  /** The mean log-ratio that z0 is the clamp of. */
  readonly klUnclamped: number | null;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Null where all numbers are finite, as they must be for the step to change the weights. */
  readonly nonFinite: NonFinite | null;
}

/** What all workers must say alike. */
const shared = {
  z0: 'z0',
  klUnclamped: 'kl_unclamped',
  gradNorm: 'grad_norm',
  learningRate: 'learning_rate',
} as const;

/**
 * Puts the workers' reports of a step together. Throws a RunError where a report is not of this step or not complete, or
 * where workers disagree on what must be the same on all.
 *
 * @param reports by rank
 */
export function combineReports(
  reports: readonly v1.StepReport.$Properties[],
  expected: ExpectedReports,
): StepResult {
  const numbers = new Numbers();
  const examples = combineExamples(reports, expected, numbers);
  for (const { nonFinite } of reports) if (nonFinite) numbers.reported(nonFinite);
  requireAgreement(reports, shared, expected);
  const [first] = reports as [v1.StepReport.$Properties];
  return {
    examples,
    ...readReferencePoint(first, expected, numbers),
    gradNorm: numbers.read(first.gradNorm, 'grad_norm', reportOf(0, expected)),
    learningRate: numbers.read(first.learningRate, 'learning_rate', reportOf(0, expected)),
    nonFinite: numbers.nonFinite,
  };
}
