import type { Method, StageConfig } from '../../lib/config/types.js';
import { ktoReferencePoint, ktoTerm, type LossTerm } from './kto.js';
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

type Settings = Pick<StageConfig, 'beta' | 'desirableWeight' | 'undesirableWeight'>;

const objectives: Record<Method, (settings: Settings) => Objective> = {
  kto: (settings) => ({
    needsReference: true,
    batchStatistic: ktoReferencePoint,
    averagedOver: (counts) => counts.examples,
    term: ({ logp, referenceLogp, desirable }, z0) => {
      if (referenceLogp === null || desirable === null || z0 === null) {
        throw new Error('KTO needs a reference answer, a label and z0 for every example');
      }
      return ktoTerm(logp - referenceLogp, desirable, z0, settings);
    },
  }),
  sft: () => ({
    needsReference: false,
    batchStatistic: null,
    averagedOver: (counts) => counts.completionTokens,
    term: ({ logp }) => sftTerm(logp),
  }),
};

/** The objective of a stage. */
export function objectiveOf(stage: Settings & Pick<StageConfig, 'method'>): Objective {
  return objectives[stage.method](stage);
}
