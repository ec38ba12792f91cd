import { ownedRange, type ParameterLayout } from '../parameters/layout.js';
import { coveringNodes, type LeafRun } from '../reduction/tree.js';

/** How a step's leaves are dealt to the workers. */
export interface StepSplit {
  /** By rank. */
  readonly runs: readonly LeafRun[];
  readonly leafCount: number;
}

export const BYTES_PER_FLOAT = 4;

/** Elements of the flat space that a rank owns. */
export function ownedSize(layout: ParameterLayout, rank: number, worldSize: number): number {
  const { start, end } = ownedRange(layout, rank, worldSize);
  return end - start;
}

/** The rank whose part of the optimizer this one keeps too; null where there is no other. */
export function backedUpRank(rank: number, worldSize: number): number | null {
  return worldSize === 1 ? null : (rank + worldSize - 1) % worldSize;
}

/** Partial sums that a rank has of a step's gradient, each as large as the gradient. */
export function partialSums({ runs, leafCount }: StepSplit, rank: number): number {
  return coveringNodes(runs[rank]!, leafCount).length;
}

/** Those of all other ranks. */
export function othersPartialSums(split: StepSplit, rank: number): number {
  return split.runs.reduce((sum, _, other) => sum + (other === rank ? 0 : partialSums(split, other)), 0);
}
