import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Random numbers for a test, which prints its seed so that a failure can be repeated with `PROSPECT_TEST_SEED`. */
export interface TestRandom {
  /** In [−1, 1). */
  next(): number;
  floats(length: number): Float32Array;
  integers(length: number, below: number): Int32Array;
}

export function testRandom(t: { diagnostic(message: string): void }): TestRandom {
  const seed = Number(process.env['PROSPECT_TEST_SEED'] ?? Date.now() % 2 ** 31);
  t.diagnostic(`PROSPECT_TEST_SEED=${seed}`);
  const generator = xoroshiro128plus(seed);
  const next = () => 2 * uniformFloat64(generator) - 1;
  return {
    next,
    floats: (length) => Float32Array.from({ length }, next),
    integers: (length, below) =>
      Int32Array.from({ length }, () => Math.floor(uniformFloat64(generator) * below)),
  };
}
