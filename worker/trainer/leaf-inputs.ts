import type { LeafInputs } from '../compute/policy-engine.js';
import type { BatchStatistics } from '../losses/objective.js';
import type { ReferenceAnswer } from '../reference/answer.js';
import type { BatchTask } from './work.js';

/** The reference's answers, per leaf and example. */
export type LeafAnswers = readonly (readonly ReferenceAnswer[])[];

/** This worker's leaves as the policy computes them, with or without gradient. */
export function leafInputsOf(
  { leaves, counts }: BatchTask,
  reference: LeafAnswers | null,
  statistics: BatchStatistics,
): readonly LeafInputs[] {
  return leaves.map((leaf, index) => ({
    examples: leaf.map(({ completions, desirable, score }, i) => ({
      completions,
      desirable,
      score,
      reference: reference?.[index]?.[i] ?? null,
    })),
    statistics,
    counts,
  }));
}
