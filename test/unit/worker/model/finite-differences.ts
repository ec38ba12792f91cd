import assert from 'node:assert/strict';

import type { TestRandom } from '../random.js';

export type Values = ReadonlyMap<string, Float32Array>;

/** A scalar function of named arrays, computed in float32. */
export interface ScalarFunction {
  readonly value: (at: Values) => number;
  readonly gradients: (at: Values) => Values;
}

const STEP = 1e-2;
const DIRECTIONS = 4;

/**
 * Compares gradients with central differences of fourth order along random directions, one array at a time. With steps of
 * 1e-2 those of float32 values are good to about 1e-4 of the function's scale; a wrong term in a formula is far outside.
 */
export function assertGradients(
  { value, gradients }: ScalarFunction,
  values: Values,
  random: TestRandom,
): void {
  const found = gradients(values);
  assert.deepEqual([...found.keys()].sort(), [...values.keys()].sort());
  for (const [name, array] of values) {
    for (let trial = 0; trial < DIRECTIONS; trial += 1) {
      const direction = random.floats(array.length);
      const at = (step: number) =>
        value(
          new Map(values).set(
            name,
            array.map((element, index) => element + step * direction[index]!),
          ),
        );
      const [near, far] = [at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)];
      const numeric = (8 * near - far) / (12 * STEP);
      const analytic = dot(found.get(name)!, direction);
      const scale = Math.max(1, Math.abs(numeric), Math.sqrt(dot(found.get(name)!, found.get(name)!)));
      assert.ok(
        Math.abs(numeric - analytic) <= 2e-3 * scale,
        `gradient of ${name}: ${analytic}, central difference ${numeric}`,
      );
    }
  }
}

export function dot(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((sum, element, index) => sum + element * b[index]!, 0);
}
