import type { MethodConfig } from '../../lib/methods/config.js';
import { ktoReferencePoint, ktoTerm, type KtoSettings, type LossTerm } from './kto.js';
import { sftTerm } from './sft.js';

/** What the loss of one example is computed from: sums over its completion's tokens, in nats. */
export interface ScoredExample {
  readonly logp: number;
  /** Null for a method without a reference. */
  readonly referenceLogp: number | null;
  readonly desirable: boolean | null;
}

/** The step's counts over the whole global batch. */
export interface BatchCounts {
  readonly examples: number;
  readonly completionTokens: number;
}

/** A training method: what it needs, what it averages over, and one example's share of it. */
export interface Objective {
  readonly needsReference: boolean;
  /**
   * The batch statistic that the loss of every example depends on, from the log-ratios of the global batch's mismatched
   * pairs in batch order; null for a method that needs none.
   */
  readonly batchStatistic: ((mismatchedLogRatios: readonly number[]) => number) | null;
  /** What the batch's loss is divided by. */
  averagedOver(counts: BatchCounts): number;
  term(example: ScoredExample, statistic: number | null): LossTerm;
}

function kto(settings: KtoSettings): Objective {
  return {
    needsReference: true,
    batchStatistic: ktoReferencePoint,
    averagedOver: (counts) => counts.examples,
    term: ({ logp, referenceLogp, desirable }, z0) => {
      if (referenceLogp === null || desirable === null || z0 === null) {
        throw new Error('KTO needs a reference answer, a label and z0 for every example');
      }
      return ktoTerm(logp - referenceLogp, desirable, z0, settings);
    },
  };
}

function sft(): Objective {
  return {
    needsReference: false,
    batchStatistic: null,
    averagedOver: (counts) => counts.completionTokens,
    term: ({ logp }) => sftTerm(logp),
  };
}

/** The objective of a stage. */
export function objectiveOf(config: MethodConfig<number>): Objective {
  if (config.method === 'kto') return kto(config);
  if (config.method === 'sft') return sft();
  throw new Error(`method ${config.method} cannot be trained: the coordinator should have refused it`);
}
