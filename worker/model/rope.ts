import { add, multiply, roll } from '../tensorflow/ops.js';
import { floats, type Tensor } from '../tensorflow/tensor.js';

/** By position and feature, [length, headDim] each. */
export interface RopeTables {
  readonly cos: Tensor;
  /** −sin for the first half of the features, sin for the second. */
  readonly signedSin: Tensor;
}

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in Llama's layout: feature j of a head pairs with feature
 * j + headDim/2, and both turn by position · θ^(−2j/headDim).
 */
export interface Rope {
  /** For positions 0 to length − 1. */
  tables(length: number): RopeTables;
}

export function rope(headDim: number, theta: number): Rope {
  let longest = computeTables(0, headDim, theta);
  return {
    tables(length) {
      const size = length * headDim;
      if (longest.cos.length < size) longest = computeTables(length, headDim, theta);
      const shape = [length, headDim];
      return {
        cos: floats(shape, longest.cos.subarray(0, size)),
        signedSin: floats(shape, longest.signedSin.subarray(0, size)),
      };
    },
  };
}

/** Rotates x [sequences, length, headDim]: (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin). */
export function rotate(x: Tensor, { cos, signedSin }: RopeTables): Tensor {
  return add(multiply(x, cos), multiply(swapHalves(x), signedSin));
}

/** The gradient of `rotate`: the transposed rotation. */
export function rotateBackward(gradient: Tensor, { cos, signedSin }: RopeTables): Tensor {
  return add(multiply(gradient, cos), swapHalves(multiply(gradient, signedSin)));
}

function swapHalves(x: Tensor): Tensor {
  return roll(x, x.shape[2]! / 2, 2);
}

/** Rounded to float32 after every operation, as `transformers` does: far positions turn by visibly other angles otherwise. */
function computeTables(length: number, headDim: number, theta: number) {
  const half = headDim / 2;
  const cos = new Float32Array(length * headDim);
  const signedSin = new Float32Array(length * headDim);
  for (let j = 0; j < half; j += 1) {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * j) / headDim)));
    for (let position = 0; position < length; position += 1) {
      const angle = Math.fround(position * frequency);
      const first = position * headDim + j;
      const second = first + half;
      cos[first] = cos[second] = Math.cos(angle);
      signedSin[second] = Math.sin(angle);
      signedSin[first] = -Math.sin(angle);
    }
  }
  return { cos, signedSin };
}
