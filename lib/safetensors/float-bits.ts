/**
 * float32 from and to the 16-bit floats, as bit patterns, so that subnormals, infinities, NaN payloads and the sign of
 * zero come out exactly. All typed arrays here are little-endian, as the format is and as every machine is that
 * TensorFlow runs on.
 */

/** bfloat16 is the upper half of a float32. `into` has at least the length of `from`. */
export function widenBfloat16(from: Uint16Array, into: Uint32Array): void {
  for (let index = 0; index < from.length; index++) into[index] = from[index]! << 16;
}

/** IEEE half precision, through a table of all 65 536 values. `into` has at least the length of `from`. */
export function widenFloat16(from: Uint16Array, into: Uint32Array): void {
  float16Table ??= Uint32Array.from({ length: 2 ** 16 }, (_, bits) => float32Bits(bits));
  const table = float16Table;
  for (let index = 0; index < from.length; index++) into[index] = table[from[index]!]!;
}

/** float32 to bfloat16, rounded to the nearest, ties to even. NaN stays NaN. `into` has at least the length of `from`. */
export function narrowToBfloat16(from: Uint32Array, into: Uint16Array): void {
  for (let index = 0; index < from.length; index++) {
    const bits = from[index]!;
    const isNaN = (bits & 0x7fff_ffff) > 0x7f80_0000;
    const isOdd = (bits >>> 16) & 1;
    // A rounded-up NaN could turn into an infinity or a zero: set its quiet bit instead.
    into[index] = isNaN ? (bits >>> 16) | 0x40 : (bits + 0x7fff + isOdd) >>> 16;
  }
}

let float16Table: Uint32Array | undefined;

/** The float32 bits of half-precision `bits`: the exponent moves from bias 15 to 127, the fraction from 10 to 23 bits. */
function float32Bits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f80_0000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 127 - 15) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal: 0.fraction × 2^-14 becomes 1.rest × 2^(−14 − shift), where shift brings the leading one to bit 10.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((127 - 14 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
