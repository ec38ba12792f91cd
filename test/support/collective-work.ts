import { createHash } from 'node:crypto';

import { layoutOf } from './collectives.js';
import { randomLeaves } from './leaves.js';

/** What the parent of a rank in a process of its own tells it to do: to join, and to sum the leaves of some steps. */
export interface Assignment {
  readonly generation: number;
  readonly rank: number;
  readonly endpoints: readonly string[];
  readonly runStarts: readonly number[];
  readonly steps: number;
  /** Sum on a thread of its own, and send what is final meanwhile. */
  readonly overlapped?: boolean;
}

/** What it tells its parent. */
export type Report =
  | { readonly kind: 'bound'; readonly endpoint: string }
  /** `sum`: SHA-256 of the values. */
  | { readonly kind: 'step'; readonly step: number; readonly sum: string }
  /** How much of what a step sends had left before its last tensor was computed. */
  | { readonly kind: 'sentBeforeEnd'; readonly share: number }
  | { readonly kind: 'failed'; readonly error: string; readonly message: string };

export const LEAF_COUNT = 5;
export const LAYOUT = layoutOf(40);
export const leavesOf = (step: number, layout = LAYOUT) => randomLeaves(LEAF_COUNT, layout.size, step).leaves;
/** Of several chunks for each of three ranks. */
export const LARGE_LAYOUT = layoutOf(240);
export const hashOf = (values: Float32Array) => createHash('sha256').update(values).digest('hex');
