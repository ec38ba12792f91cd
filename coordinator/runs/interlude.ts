import type { Generation } from '../cluster/generation.js';

/** What is done between two steps of a stage: the next one is not sent before. */
export interface Interlude {
  /** Whether it is to be done by the weights after this step, and is not in the journal yet. */
  isDue(step: number): boolean;
  /**
   * Does it by the weights after `step`, which the generation's members hold or have arranged, and records it. Rejects as
   * `Generation.receive`.
   */
  run(generation: Generation, step: number): Promise<void>;
}

/**
 * Whether what comes every few steps comes after this one: at the start of the stage and at its end in any case.
 *
 * @param step 0 … totalSteps
 * @param everySteps 0 for the start and the end alone
 */
export function comesAfter(step: number, everySteps: number, totalSteps: number): boolean {
  return step === 0 || step === totalSteps || (everySteps > 0 && step % everySteps === 0);
}
