import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { ReferenceAnswer } from '../journal/records.js';

type ExampleReport = v1.ExampleReport.$Properties;

/** What a worker says of its leaves of a batch, whether it was trained on or judged. */
type BatchReport = Pick<
  v1.StepReport.$Properties & v1.EvaluationReport.$Properties,
  'stage' | 'step' | 'generation' | 'examples'
>;

/** What was sent, and what the reports of it must therefore say. */
export interface ExpectedReports {
  /** What of, for messages: `step 5`. */
  readonly what: string;
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  readonly workerIds: readonly string[];
  /** Positions in the batch of every rank's examples, in leaf order. */
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

/** Where numbers are not finite. */
export interface NonFinite {
  /** What is not: `the gradient of lm_head.weight`, `the loss`. */
  readonly what: string;
  /** Rows of the data that it comes from, from 0, ascending. */
  readonly rows: readonly number[];
}

/**
 * Puts what the workers say of their examples together, by position. Throws a RunError where a report is not of this batch
 * or not complete.
 *
 * @param reports by rank
 */
export function combineExamples(
  reports: readonly BatchReport[],
  expected: ExpectedReports,
  numbers: Numbers,
): readonly ReportedExample[] {
  const examples: ReportedExample[] = [];
  reports.forEach((report, rank) => {
    const who = reportOf(rank, expected);
    requireThisBatch(report, expected, who);
    const positions = expected.positions[rank]!;
    const reported = report.examples ?? [];
    if (reported.length !== positions.length) {
      throw new RunError(`${who} has ${reported.length} examples instead of ${positions.length}`);
    }
    positions.forEach((position, index) => {
      examples[position] = readExample(reported[index]!, { position, expected, who, numbers });
    });
  });
  return examples;
}

/** `worker-0's report of step 5` */
export function reportOf(rank: number, { workerIds, what }: ExpectedReports): string {
  return `${workerIds[rank]!}'s report of ${what}`;
}

/** Throws a RunError where a number is not the same on all workers, bit for bit. `names`: by field, what to call it. */
export function requireAgreement<Field extends string>(
  reports: readonly Readonly<Partial<Record<NoInfer<Field>, number | null>>>[],
  names: Readonly<Record<Field, string>>,
  { workerIds, what }: ExpectedReports,
): void {
  const [first, ...others] = reports;
  for (const [field, name] of Object.entries(names) as [Field, string][]) {
    others.forEach((report, index) => {
      const [mine, theirs] = [first![field] ?? null, report[field] ?? null];
      if (Object.is(mine, theirs)) return;
      throw new RunError(
        `${workerIds[0]!} and ${workerIds[index + 1]!} disagree on the ${name} of ${what}: ` +
          `${mine ?? 'none'} and ${theirs ?? 'none'}; their weights would drift apart`,
      );
    });
  }
}

/** What the workers share of the mismatched pairs; nulls where the method has no reference point. */
export function readReferencePoint(
  { z0, klUnclamped }: Pick<v1.EvaluationReport.$Properties, 'z0' | 'klUnclamped'>,
  expected: ExpectedReports,
  numbers: Numbers,
): { readonly z0: number | null; readonly klUnclamped: number | null } {
  if (!expected.z0) return { z0: null, klUnclamped: null };
  const first = reportOf(0, expected);
  return {
    z0: numbers.read(z0, 'z0', first),
    klUnclamped: numbers.read(klUnclamped, 'kl_unclamped', first),
  };
}

function requireThisBatch(report: BatchReport, expected: ExpectedReports, who: string): void {
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

/** Reads the numbers of reports, and keeps in mind where one is not finite: a step must not change the weights then. */
export class Numbers {
  #what: string | null = null;
  readonly #rows = new Set<number>();

  get nonFinite(): NonFinite | null {
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
