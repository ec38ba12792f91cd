import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { ReferenceAnswer } from '../journal/records.js';

type StepReport = v1.StepReport.$Properties;
type ExampleReport = v1.ExampleReport.$Properties;

/** What was sent, and what the reports of it must therefore say. */
export interface ExpectedReports {
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  readonly workerIds: readonly string[];
  /** Positions in the global batch of every rank's examples, in leaf order. */
  readonly positions: readonly (readonly number[])[];
  /** By position: what is due of the example. */
  readonly examples: readonly ExpectedExample[];
  /** The method has rewards. */
  readonly rewards: boolean;
  /** The method has a reference point. */
  readonly z0: boolean;
  /** The reference's log-probs are due: the first time that it answers. */
  readonly answers: boolean;
  /** They are due by token too. */
  readonly byToken: boolean;
}

export interface ExpectedExample {
  /** Tokens of each completion. */
  readonly completions: readonly number[];
  /** Tokens of the mismatched completion; null where the example has no pair. */
  readonly mismatched: number | null;
}

export interface ReportedExample {
  readonly loss: number;
  /** Per completion. */
  readonly logps: readonly number[];
  /** Per completion; null where the method has no rewards. */
  readonly rewards: readonly number[] | null;
  /** Null where none was due. */
  readonly answer: ReferenceAnswer | null;
}

export interface StepResult {
  /** By position in the global batch. */
  readonly examples: readonly ReportedExample[];
  readonly z0: number | null;
  readonly gradNorm: number;
  readonly learningRate: number;
}

/**
 * Puts the workers' reports of a step together. Throws a RunError where a report is not of this step or not complete,
 * where a number is not finite, or where workers disagree on what must be the same on all.
 *
 * @param reports by rank
 */
export function combineReports(reports: readonly StepReport[], expected: ExpectedReports): StepResult {
  const examples: ReportedExample[] = [];
  reports.forEach((report, rank) => {
    const who = `${expected.workerIds[rank]!}'s report of step ${expected.step}`;
    requireThisStep(report, expected, who);
    const positions = expected.positions[rank]!;
    const reported = report.examples ?? [];
    if (reported.length !== positions.length) {
      throw new RunError(`${who} has ${reported.length} examples instead of ${positions.length}`);
    }
    positions.forEach((position, index) => {
      examples[position] = readExample(reported[index]!, position, expected, who);
    });
  });
  requireAgreement(reports, expected);
  const { z0, gradNorm, learningRate } = reports[0]!;
  const first = `${expected.workerIds[0]!}'s report of step ${expected.step}`;
  return {
    examples,
    z0: expected.z0 ? finite(z0, 'z0', first) : null,
    gradNorm: finite(gradNorm, 'grad_norm', first),
    learningRate: finite(learningRate, 'learning_rate', first),
  };
}

function requireThisStep(report: StepReport, expected: ExpectedReports, who: string): void {
  for (const field of ['stage', 'step', 'generation'] as const) {
    if (report[field] === expected[field]) continue;
    throw new RunError(`${who} is of ${field} ${report[field] ?? 0} instead of ${expected[field]}`);
  }
}

function readExample(
  report: ExampleReport,
  position: number,
  expected: ExpectedReports,
  who: string,
): ReportedExample {
  if (report.position !== position) {
    throw new RunError(`${who} has example ${report.position ?? 0} where example ${position} was due`);
  }
  const where = `${who}, example ${position}`;
  const due = expected.examples[position]!;
  const perCompletion = (values: readonly number[] | null | undefined, name: string): number[] => {
    if (values?.length !== due.completions.length) {
      throw new RunError(
        `${where}: ${values?.length ?? 0} ${name} for ${due.completions.length} completions`,
      );
    }
    return values.map((value) => finite(value, name, where));
  };
  return {
    loss: finite(report.loss, 'loss', where),
    logps: perCompletion(report.logps, 'logps'),
    rewards: expected.rewards ? perCompletion(report.rewards, 'rewards') : null,
    answer: expected.answers ? readAnswer(report.reference, due, expected.byToken, where) : null,
  };
}

function readAnswer(
  answer: v1.ReferenceAnswer.$Properties | null | undefined,
  due: ExpectedExample,
  byToken: boolean,
  where: string,
): ReferenceAnswer {
  const check = (message: v1.CompletionLogps.$Properties | null | undefined, tokens: number): void => {
    finite(message?.logp, "the reference's logp", where);
    const terms = message?.tokenLogps ?? [];
    for (const term of terms) finite(term, "the reference's logp of a token", where);
    if (terms.length !== (byToken ? tokens : 0)) {
      throw new RunError(`${where}: the reference answered with ${terms.length} token log-probs`);
    }
  };
  due.completions.forEach((tokens, i) => check(answer?.completions?.[i], tokens));
  if (due.mismatched !== null) check(answer?.mismatched, due.mismatched);
  return answer ?? {};
}

/** A NaN or infinite number means that the weights are about to be spoiled: the step must not be committed. */
function finite(value: number | null | undefined, name: string, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new RunError(`${where}: ${name} is ${value ?? 'missing'}`);
}

function requireAgreement(reports: readonly StepReport[], { workerIds, step }: ExpectedReports): void {
  const fields = { z0: 'z0', gradNorm: 'grad_norm', learningRate: 'learning_rate' } as const;
  const [first, ...others] = reports;
  for (const [field, name] of Object.entries(fields) as [keyof typeof fields, string][]) {
    others.forEach((report, index) => {
      const [mine, theirs] = [first![field] ?? null, report[field] ?? null];
      if (Object.is(mine, theirs)) return;
      throw new RunError(
        `${workerIds[0]!} and ${workerIds[index + 1]!} disagree on the ${name} of step ${step}: ` +
          `${mine ?? 'none'} and ${theirs ?? 'none'}; their weights would drift apart`,
      );
    });
  }
}
