import { mediansOfOthers } from '../diagnosis/numbers.js';

/** What a worker computed in a step, and in what time. */
export interface WorkerPace {
  readonly workerId: string;
  readonly computeMs: number;
  readonly leaves: number;
}

/** By worker: its time for a leaf over the median of the others'. Those without leaves, or others, are left out. */
export function relativePaces(paces: readonly WorkerPace[]): ReadonlyMap<string, number> {
  const busy = paces.filter(({ leaves, computeMs }) => leaves > 0 && computeMs > 0);
  if (busy.length < 2) return new Map();
  const medians = mediansOfOthers(busy.map(perLeaf));
  return new Map(busy.map((pace, index) => [pace.workerId, perLeaf(pace) / medians[index]!]));
}

function perLeaf({ computeMs, leaves }: WorkerPace): number {
  return computeMs / leaves;
}
