import type { v1 } from '../../proto/services.js';
import {
  combineExamples,
  Numbers,
  readReferencePoint,
  requireAgreement,
  type ExpectedReports,
  type NonFinite,
  type ReportedExample,
} from './batch-reports.js';

/** What the workers found of the held-out rows. */
export interface EvaluationResult {
  /** By position. */
  readonly examples: readonly ReportedExample[];
  readonly z0: number | null;
  /** The mean log-ratio that z0 is the clamp of. */
  readonly klUnclamped: number | null;
  /** Null where all numbers are finite. */
  readonly nonFinite: NonFinite | null;
}

/** As `combineReports`, of held-out rows. @param reports by rank */
export function combineEvaluation(
  reports: readonly v1.EvaluationReport.$Properties[],
  expected: ExpectedReports,
): EvaluationResult {
  const numbers = new Numbers();
  const examples = combineExamples(reports, expected, numbers);
  requireAgreement(reports, { z0: 'z0', klUnclamped: 'kl_unclamped' }, expected);
  const [first] = reports as [v1.EvaluationReport.$Properties];
  const { z0, klUnclamped } = readReferencePoint(first, expected, numbers);
  return { examples, z0, klUnclamped, nonFinite: numbers.nonFinite };
}
