import { RunError } from '../../lib/errors.js';

/**
 * The ranks of a generation cannot go on together. Nothing was added up wrong; what was under way is void, and the same
 * ranks, or those that are left, may start afresh in another generation.
 */
export class CollectiveError extends RunError {
  /** @param suspects ranks that are gone, silent or talk nonsense, as seen from here; none where nobody is to blame */
  constructor(
    message: string,
    readonly suspects: readonly number[] = [],
  ) {
    super(message);
  }
}
