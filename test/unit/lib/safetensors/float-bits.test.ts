import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { narrowToBfloat16, widenBfloat16, widenFloat16 } from '../../../../lib/safetensors/float-bits.js';

const every16Bits = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

/** The value of a small IEEE float by its definition, in exact double arithmetic. */
function valueOf(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >>> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = bits & (2 ** fractionBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
}

function widened(widen: typeof widenFloat16): Float32Array {
  const values = new Float32Array(every16Bits.length);
  widen(every16Bits, new Uint32Array(values.buffer));
  return values;
}

function narrowed(value: number): number {
  const into = new Uint16Array(1);
  narrowToBfloat16(new Uint32Array(Float32Array.of(value).buffer), into);
  return into[0]!;
}

describe('16-bit floats', () => {
  it('widens every float16 exactly', () => {
    const values = widened(widenFloat16);
    for (const bits of every16Bits) {
      const expected = valueOf(bits, 5, 10);
      assert.ok(
        Object.is(values[bits], expected),
        `0x${bits.toString(16)}: ${values[bits]!} for ${expected}`,
      );
    }
  });

  it('widens every bfloat16 exactly', () => {
    const values = widened(widenBfloat16);
    for (const bits of every16Bits) {
      const expected = valueOf(bits, 8, 7);
      assert.ok(
        Object.is(values[bits], expected),
        `0x${bits.toString(16)}: ${values[bits]!} for ${expected}`,
      );
    }
  });

  it('keeps the payload of a NaN', () => {
    const into = new Uint32Array(1);
    widenFloat16(Uint16Array.of(0xfd55), into);
    assert.equal(into[0], 0xffaaa000);
    widenBfloat16(Uint16Array.of(0xffa5), into);
    assert.equal(into[0], 0xffa50000);
  });

  it('narrows every bfloat16 to itself', () => {
    const values = widened(widenBfloat16);
    for (const bits of every16Bits) {
      if (Number.isNaN(values[bits])) assert.ok(Number.isNaN(valueOf(narrowed(values[bits]!), 8, 7)));
      else assert.equal(narrowed(values[bits]!), bits);
    }
  });

  it('narrows to the nearest bfloat16, ties to even', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const below = new Uint16Array(Float32Array.of(value).buffer)[1]!;
        // The next bfloat16 away from zero; above the largest finite one stands 2^128 in its place.
        const above = below + 1;
        const aboveValue = (below & 0x7fff) === 0x7f7f ? Math.sign(value) * 2 ** 128 : valueOf(above, 8, 7);
        const toBelow = Math.abs(value - valueOf(below, 8, 7));
        const toAbove = Math.abs(value - aboveValue);
        const nearest =
          toBelow < toAbove ? below : toAbove < toBelow ? above : below % 2 === 0 ? below : above;
        assert.equal(narrowed(value), nearest);
      }),
      {
        numRuns: 2000,
        examples: [[1 + 2 ** -8], [1 + 3 * 2 ** -8], [3.4028234663852886e38], [-0], [2 ** -149]],
      },
    );
  });

  it('never rounds a NaN to a number', () => {
    for (const bits of [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_0001]) {
      const into = new Uint16Array(1);
      narrowToBfloat16(Uint32Array.of(bits), into);
      assert.ok(Number.isNaN(valueOf(into[0]!, 8, 7)), bits.toString(16));
      assert.equal(into[0]! >>> 15, bits >>> 31);
    }
  });
});
