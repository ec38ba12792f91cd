import { GRADIENT_SLOT } from '../reduction/tree.js';
import type { ExampleTerm, LeafInputs } from '../compute/policy-engine.js';
import type { StepContext } from './step.js';
import type { StepTask } from './work.js';

/** Where a step's numbers that are not finite come from, as far as this worker's leaves show it. */
export interface NonFinite {
  /** The first parameter whose gradient over the whole batch is not finite in the part that this worker owns, if any. */
  readonly parameter: string | null;
  /** Data rows of this worker's leaves whose loss or gradient is not finite. */
  readonly rows: readonly number[];
}

interface ComputedLeaves {
  readonly leafInputs: readonly LeafInputs[];
  readonly terms: readonly (readonly ExampleTerm[])[];
}

/**
 * Says where numbers that are not finite come from; null where there are none. The step is spoiled by then, so that the
 * leaves' gradients can be computed again, one by one.
 */
export async function findNonFinite(
  norm: number,
  { leaves }: StepTask,
  { leafInputs, terms }: ComputedLeaves,
  { policy }: StepContext,
): Promise<NonFinite | null> {
  const badGradient = !Number.isFinite(norm);
  // Before the leaves' gradients are computed where the batch's lies.
  const parameter = badGradient ? await policy.call('nonFiniteParameter') : null;
  const rows: number[] = [];
  for (const [index, leaf] of leaves.entries()) {
    const badLosses = leaf.filter((_, i) => !Number.isFinite(terms[index]![i]!.loss));
    if (badLosses.length > 0) {
      rows.push(...badLosses.map(({ row }) => row));
    } else if (badGradient) {
      await policy.call('leafGradient', { ...leafInputs[index]!, slot: GRADIENT_SLOT, accumulate: false });
      if (!(await policy.call('isFinite', GRADIENT_SLOT))) rows.push(...leaf.map(({ row }) => row));
    }
  }
  if (!badGradient && rows.length === 0) return null;
  return { parameter, rows };
}
