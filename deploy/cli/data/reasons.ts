import type { Reasons } from '../../../coordinator/data/reasons.js';

/** A line for every reason that rows were left out for. */
export function reasonLines(reasons: Reasons): string[] {
  return [...reasons.byReason].map(([reason, { count, first }]) => {
    const place = first === null ? '' : ` (first: ${first})`;
    return `  ${count}: ${reason}${place}`;
  });
}
