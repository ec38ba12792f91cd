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
  /** Of the data, from 0. */
  readonly row: number;
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
  /** The mean log-ratio that z0 is the clamp of. */
  readonly klUnclamped: number | null;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Null where all numbers are finite, as they must be for the step to change the weights. */
  readonly nonFinite: NonFiniteStep | null;
}

/** Where a step's numbers are not finite. */
export interface NonFiniteStep {
  /** What is not: `the gradient of lm_head.weight`, `the loss`. */
  readonly what: string;
  /** Rows of the data that it comes from, from 0, ascending. */
  readonly rows: readonly number[];
}

/**
 * Puts the workers' reports of a step together. Throws a RunError where a report is not of this step or not complete, or
 * where workers disagree on what must be the same on all.
 *
 * @param reports by rank
 */
export function combineReports(reports: readonly StepReport[], expected: ExpectedReports): StepResult {
  const examples: ReportedExample[] = [];
  const numbers = new Numbers();
  reports.forEach((report, rank) => {
    const who = `${expected.workerIds[rank]!}'s report of step ${expected.step}`;
    requireThisStep(report, expected, who);
    const positions = expected.positions[rank]!;
    const reported = report.examples ?? [];
    if (reported.length !== positions.length) {
      throw new RunError(`${who} has ${reported.length} examples instead of ${positions.length}`);
    }
    positions.forEach((position, index) => {
      examples[position] = readExample(reported[index]!, { position, expected, who, numbers });
    });
    if (report.nonFinite) numbers.reported(report.nonFinite);
  });
  requireAgreement(reports, expected);
  const { z0, klUnclamped, gradNorm, learningRate } = reports[0]!;
  const first = `${expected.workerIds[0]!}'s report of step ${expected.step}`;
  return {
    examples,
    z0: expected.z0 ? numbers.read(z0, 'z0', first) : null,
    klUnclamped: expected.z0 ? numbers.read(klUnclamped, 'kl_unclamped', first) : null,
    gradNorm: numbers.read(gradNorm, 'grad_norm', first),
    learningRate: numbers.read(learningRate, 'learning_rate', first),
    nonFinite: numbers.nonFinite,
  };
}

function requireThisStep(report: StepReport, expected: ExpectedReports, who: string): void {
  for (const field of ['stage', 'step', 'generation'] as const) {
    if (report[field] === expected[field]) continue;
    throw new RunError(`${who} is of ${field} ${report[field] ?? 0} instead of ${expected[field]}`);
  }
}

interface Reading {
  readonly position: number;
  readonly expected: ExpectedReports;
  /** Whose report of what, for messages. */
  readonly who: string;
  readonly numbers: Numbers;
}

function readExample(report: ExampleReport, reading: Reading): ReportedExample {
  const { position, expected, who, numbers } = reading;
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
    return values.map((value) => numbers.read(value, name, where, due.row));
  };
  return {
    loss: numbers.read(report.loss, 'loss', where, due.row),
    logps: perCompletion(report.logps, 'logps'),
    rewards: expected.rewards ? perCompletion(report.rewards, 'rewards') : null,
    answer: expected.answers ? readAnswer(report.reference, due, reading) : null,
  };
}

function readAnswer(
  answer: v1.ReferenceAnswer.$Properties | null | undefined,
  due: ExpectedExample,
  { position, expected, who, numbers }: Reading,
): ReferenceAnswer {
  const where = `${who}, example ${position}`;
  const check = (message: v1.CompletionLogps.$Properties | null | undefined, tokens: number): void => {
    numbers.read(message?.logp, "reference's logp", where, due.row);
    const terms = message?.tokenLogps ?? [];
    for (const term of terms) numbers.read(term, "reference's logp of a token", where, due.row);
    if (terms.length !== (expected.byToken ? tokens : 0)) {
      throw new RunError(`${where}: the reference answered with ${terms.length} token log-probs`);
    }
  };
  due.completions.forEach((tokens, i) => check(answer?.completions?.[i], tokens));
  if (due.mismatched !== null) check(answer?.mismatched, due.mismatched);
  return answer ?? {};
}

/** Reads the numbers of a step, and keeps in mind where one is not finite: the step must not change the weights then. */
class Numbers {
  #what: string | null = null;
  readonly #rows = new Set<number>();

  get nonFinite(): NonFiniteStep | null {
    return this.#what === null ? null : { what: this.#what, rows: [...this.#rows].sort((a, b) => a - b) };
  }

  /** What a worker found itself; it knows the parameter. */
  reported({ parameter, rows }: v1.NonFinite.$Properties): void {
    if (parameter) this.#what = `the gradient of ${parameter}`;
    this.#what ??= 'the loss';
    for (const row of rows ?? []) this.#rows.add(row);
  }

  /** Throws a RunError where there is no number. */
  read(value: number | null | undefined, name: string, where: string, row?: number): number {
    if (typeof value !== 'number') throw new RunError(`${where}: ${name} is missing`);
    if (!Number.isFinite(value)) {
      this.#what ??= `the ${name}`;
      if (row !== undefined) this.#rows.add(row);
    }
    return value;
  }
}

function requireAgreement(reports: readonly StepReport[], { workerIds, step }: ExpectedReports): void {
  const fields = {
    z0: 'z0',
    klUnclamped: 'kl_unclamped',
    gradNorm: 'grad_norm',
    learningRate: 'learning_rate',
  } as const;
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
