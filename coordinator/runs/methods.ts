import type { Method } from '../../lib/config/types.js';

/** What a method takes from the coordinator. */
export interface MethodNeeds {
  /** Log-probs of a frozen reference, of the example and of its mismatched pair. */
  readonly reference: boolean;
  /** A thumbs up or down for every example; without, all examples count as chosen. */
  readonly labels: boolean;
}

export const methodNeeds: Record<Method, MethodNeeds> = {
  kto: { reference: true, labels: true },
  sft: { reference: false, labels: false },
};
