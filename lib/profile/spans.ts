import { z } from 'zod';

/**
 * How processes that are profiled tell what they did: each thread writes a file of lines into the directory that this variable
 * of its environment names, a ProfiledThread first and its spans after it. Without it, nothing is recorded.
 */
export const PROFILE_VARIABLE = 'PROSPECT_PROFILE_DIR';

/** Steps that a thread records, from its first one on: a whole run would make a file without end. */
export const PROFILED_STEPS = 4;
/** Spans that a thread records at most: held-out rows that are judged between two steps make some too. */
export const PROFILED_SPANS = 200_000;

export const profiledThreadSchema = z.strictObject({
  process: z.string(),
  pid: z.int(),
  thread: z.string(),
  /** Floating-point operations in a second that one large matrix product reaches on this thread; null for none. */
  peakFlops: z.number().positive().nullable(),
});
export type ProfiledThread = z.infer<typeof profiledThreadSchema>;

export const spanSchema = z.strictObject({
  /** What was done, the same for all blocks and steps. */
  part: z.string(),
  /** Which of the model's blocks, or of the pieces that travel between workers; null for none. */
  block: z.int().nullable(),
  /** How many steps the thread had begun, from 1; null for a thread that does not know. */
  step: z.int().positive().nullable(),
  /** Microseconds since 1970, whole ones: what follows one another must not overlap by a rounding. */
  startUs: z.int(),
  durationUs: z.int().nonnegative(),
  /** Floating-point operations of matrix products, without those of spans inside of it. */
  flops: z.number().nonnegative(),
});
export type Span = z.infer<typeof spanSchema>;
