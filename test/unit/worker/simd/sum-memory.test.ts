import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { SumMemory } from '../../../../worker/simd/sum-memory.js';
import { sameBits } from '../../../support/leaves.js';

/** The definition: a sum in float64 of two float32, rounded, is their float32 sum. */
const sumOf = (a: Float32Array, b: Float32Array) => a.map((value, index) => value + b[index]!);

const anyPair = fc
  .array(fc.tuple(fc.float({ noNaN: true }), fc.float({ noNaN: true })), { minLength: 1, maxLength: 200 })
  .map((pairs) => [0, 1].map((side) => Float32Array.from(pairs, (pair) => pair[side]!)));

describe('SumMemory', () => {
  it('adds as float32 does, bit for bit, denormals and infinities included, and writes nothing else', () => {
    const memory = new SumMemory(512);
    fc.assert(
      fc.property(anyPair, fc.nat({ max: 40 }), fc.boolean(), ([left, right], offset, inside) => {
        const { length } = left!;
        memory.values.fill(7);
        const into = memory.values.subarray(offset, offset + length);
        into.set(left!);
        const elsewhere = inside ? memory.values.subarray(300, 300 + length) : new Float32Array(length);
        elsewhere.set(right!);
        memory.addTo(into, elsewhere);
        // Infinity and its opposite make a NaN, whose bits are nobody's promise.
        const sums = (values: Float32Array) => values.map((value) => (Number.isNaN(value) ? NaN : value));
        assert.ok(sameBits(sums(into.slice()), sums(sumOf(left!, right!))));
        assert.ok(sameBits(elsewhere.slice(), right!));
        const others = [
          ...memory.values.subarray(0, offset),
          ...memory.values.subarray(offset + length, 300),
          ...memory.values.subarray(500),
        ];
        assert.ok(others.every((value) => value === 7));
      }),
      { numRuns: 500 },
    );
  });

  it('adds what is longer than a block', () => {
    const length = 40_005;
    const memory = new SumMemory(length);
    const left = Float32Array.from({ length }, (_, i) => Math.sin(i));
    const right = Float32Array.from({ length }, (_, i) => 2 ** (i % 40) * Math.cos(i));
    memory.values.set(left);
    memory.addTo(memory.values, right);
    assert.ok(sameBits(memory.values, sumOf(left, right)));
  });

  it('refuses a sum that is not its own, and another length', () => {
    const memory = new SumMemory(4);
    assert.throws(() => memory.addTo(new Float32Array(4), memory.values), /another memory/);
    assert.throws(() => memory.addTo(memory.values, new Float32Array(5)), /5 values to add to 4/);
  });
});
