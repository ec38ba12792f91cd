import type { Range } from '../parameters/layout.js';

/** Which part of a buffer is final while the rest is still computed. Grows from nothing to all, and never shrinks. */
export interface Readiness {
  /** Whether all is. */
  readonly complete: boolean;
  covers(range: Range): boolean;
  /** Calls `listener` whenever it has grown. @returns what ends that */
  onGrowth(listener: () => void): () => void;
}

export const ALL_FINAL: Readiness = { complete: true, covers: () => true, onGrowth: () => () => undefined };
