import type { StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';
import { shuffledOrder } from './epoch-order.js';
import { cutIntoLeaves } from './leaves.js';
import { longestSequence, type Unit } from './unit.js';

/** Examples that are computed as one batch, whoever computes which of them. */
export interface BatchPlan {
  /** Indices of examples, in batch order: sums over the batch run in this order. */
  readonly batch: readonly number[];
  /** Micro-batches: positions in `batch`. */
  readonly leaves: readonly (readonly number[])[];
  /** What a method may average over, of the whole batch. */
  readonly counts: {
    readonly examples: number;
    /** Examples that have a mismatched pair. */
    readonly mismatchedPairs: number;
    readonly completionTokens: number;
    /** Those of the chosen completions; 0 where examples are not pairs. */
    readonly chosenTokens: number;
  };
}

/** The batch of an optimizer step. */
export interface StepPlan extends BatchPlan {
  /** 1-based. */
  readonly step: number;
  /** 0-based. */
  readonly epoch: number;
}

type PlannedSettings = Pick<
  StageConfig,
  'objective' | 'globalBatchSize' | 'microBatchSize' | 'shuffle' | 'seed' | 'maxSteps' | 'epochs'
>;

/**
 * Makes the plan of any step from (examples, settings, step) alone: how many workers there are, or which steps were
 * planned before, changes nothing. An epoch's last batch may be short.
 */
export class Planner {
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly #examples: readonly Unit[];
  readonly #pairs: readonly (number | null)[];
  readonly #settings: PlannedSettings;
  /** The order of the epoch that was asked for last. */
  #order: { readonly epoch: number; readonly indices: readonly number[] } | null = null;

  /**
   * @param pairs for each example its partner by `pairMismatched`; empty or all null for a method without pairs
   * @throws ConfigError for KTO data without a single pair: its z0 could not be estimated.
   */
  constructor(examples: readonly Unit[], pairs: readonly (number | null)[], settings: PlannedSettings) {
    if (needsOf(settings.objective).mismatchedPairs) requireAPair(pairs, settings.globalBatchSize);
    this.#examples = examples;
    this.#pairs = pairs;
    this.#settings = settings;
    this.stepsPerEpoch = Math.ceil(examples.length / settings.globalBatchSize);
    this.totalSteps = settings.maxSteps ?? Math.ceil(settings.epochs * this.stepsPerEpoch);
  }

  /** @param step 1 … totalSteps */
  plan(step: number): StepPlan {
    if (!Number.isInteger(step) || step < 1 || step > this.totalSteps) {
      throw new RangeError(`step ${step} is not one of 1 … ${this.totalSteps}`);
    }
    const epoch = Math.floor((step - 1) / this.stepsPerEpoch);
    const { globalBatchSize, microBatchSize } = this.#settings;
    const start = ((step - 1) % this.stepsPerEpoch) * globalBatchSize;
    const batch = this.#epochOrder(epoch).slice(start, start + globalBatchSize);
    const lengths = batch.map((index) => longestSequence(this.#examples[index]!));
    return {
      step,
      epoch,
      batch,
      leaves: cutIntoLeaves(lengths, microBatchSize),
      counts: countBatch(batch, this.#examples, this.#pairs),
    };
  }

  #epochOrder(epoch: number): readonly number[] {
    if (this.#order?.epoch !== epoch) {
      const { shuffle, seed } = this.#settings;
      const indices = shuffle
        ? shuffledOrder(this.#examples, seed, epoch)
        : this.#examples.map((_, index) => index);
      this.#order = { epoch, indices };
    }
    return this.#order.indices;
  }
}

/** @param batch indices of examples */
export function countBatch(
  batch: readonly number[],
  examples: readonly Unit[],
  pairs: readonly (number | null)[],
): BatchPlan['counts'] {
  const units = batch.map((index) => examples[index]!);
  return {
    examples: batch.length,
    mismatchedPairs: batch.filter((index) => typeof pairs[index] === 'number').length,
    completionTokens: sumOf(units, ({ completions }) => sumOf(completions, ({ length }) => length)),
    chosenTokens: sumOf(units, ({ completions }) => (completions.length === 2 ? completions[0].length : 0)),
  };
}

function sumOf<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((sum, item) => sum + count(item), 0);
}

function requireAPair(pairs: readonly (number | null)[], globalBatchSize: number): void {
  if (pairs.some((partner) => partner !== null)) return;
  throw new ConfigError(
    globalBatchSize === 1
      ? 'method kto needs a global_batch_size of 2 or more: its z0 comes from prompts paired with completions of other rows'
      : 'method kto needs two rows with different prompts within a batch: its z0 comes from prompts paired with completions of other rows',
  );
}
