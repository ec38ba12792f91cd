import type { Sample } from './sample.js';

export interface BenchOptions {
  /** Also run the other side, interleaved with ours. */
  readonly baseline: boolean;
  /** A Python with PyTorch, for baselines. */
  readonly python: string | null;
  /** Of a suite of parts, those to run; all where it is empty. */
  readonly only: readonly string[];
  /** How many steps the suite `step` takes in an epoch; null: as many as it finds fit. */
  readonly steps: number | null;
  /** How often the suite `step` lets each side train, by turns. */
  readonly rounds: number;
  /** Called with what is being measured now. */
  readonly onProgress: (what: string) => void;
}

export interface Measurement {
  readonly name: string;
  readonly milliseconds: Sample;
  /** The other side's; null where it was not run. */
  readonly baseline: Sample | null;
  /** What follows from the median, by its name with unit. */
  readonly figures: Readonly<Record<string, number>>;
}

export interface SuiteResult {
  readonly measurements: readonly Measurement[];
  /** What the figures do not say. */
  readonly notMeasured: readonly string[];
}

export interface Suite {
  readonly name: string;
  /** Who the other side is. */
  readonly baseline: string;
  run(options: BenchOptions): Promise<SuiteResult>;
}

/** How many times as fast as the other side; null without one. */
export const ratioOf = ({ milliseconds, baseline }: Measurement) =>
  baseline === null ? null : baseline.median / milliseconds.median;
