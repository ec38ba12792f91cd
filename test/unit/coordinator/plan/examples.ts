import fc from 'fast-check';
import type { Example } from '../../../../coordinator/data/example.js';

export function example(
  row: number,
  promptIds: readonly number[],
  completionIds: readonly number[] = [1],
  desirable: boolean | null = true,
): Example {
  return {
    row,
    promptIds: Int32Array.from(promptIds),
    completionIds: Int32Array.from(completionIds),
    desirable,
  };
}

/** Examples with prompts of few kinds (so that some are equal), many lengths, and labels of every share. */
export function examplesArbitrary(maxCount: number): fc.Arbitrary<Example[]> {
  const one = fc.record({
    prompt: fc.integer({ min: 0, max: 5 }),
    promptLength: fc.integer({ min: 1, max: 20 }),
    completionLength: fc.integer({ min: 1, max: 20 }),
    desirable: fc.boolean(),
  });
  return fc.array(one, { minLength: 1, maxLength: maxCount }).map((drawn) =>
    drawn.map(({ prompt, promptLength, completionLength, desirable }, row) =>
      example(
        row,
        Array.from({ length: promptLength }, () => prompt),
        Array.from({ length: completionLength }, () => 1),
        desirable,
      ),
    ),
  );
}
