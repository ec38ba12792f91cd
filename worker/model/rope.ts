import { add, concat, multiply, roll, slice } from '../tensorflow/ops.js';
import { floats, type Tensor } from '../tensorflow/tensor.js';

/** By position and feature, [length, rotated] each. */
export interface RopeTables {
  readonly cos: Tensor;
  /** −sin for the first half of the features, sin for the second. */
  readonly signedSin: Tensor;
}

/** How the turning is slowed down for contexts longer than the first training's. */
export type RopeScaling =
  | { readonly type: 'none' }
  /** All positions closer by this factor (Chen et al. 2023, arXiv:2306.15595). */
  | { readonly type: 'linear'; readonly factor: number }
  /**
   * Features that turn less than `lowFrequencyFactor` times over `originalLength` are slowed by `factor`, those that turn
   * more than `highFrequencyFactor` times not at all, with a ramp between (Llama 3.1: arXiv:2407.21783).
   */
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalLength: number;
    };

export interface RopeConfig {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in the layout of Llama and GPT-NeoX: of the first R features
 * of a head, feature j pairs with feature j + R/2, and both turn by position · θ^(−2j/R); the others stay.
 */
export interface Rope {
  /** For `length` positions from `first` on. */
  tables(first: number, length: number): RopeTables;
}

/** @param rotated R, even */
export function rope(rotated: number, config: RopeConfig): Rope {
  const frequencies = Array.from({ length: rotated / 2 }, (_, j) => frequency(j, rotated, config));
  let longest = computeTables(0, frequencies);
  return {
    tables(first, length) {
      const end = (first + length) * rotated;
      // Whoever goes on token by token asks for one more each time.
      if (longest.cos.length < end) longest = computeTables(roundedUp(first + length), frequencies);
      const shape = [length, rotated];
      return {
        cos: floats(shape, longest.cos.subarray(first * rotated, end)),
        signedSin: floats(shape, longest.signedSin.subarray(first * rotated, end)),
      };
    },
  };
}

const POSITIONS_PER_TABLE = 256;

const roundedUp = (positions: number) => Math.ceil(positions / POSITIONS_PER_TABLE) * POSITIONS_PER_TABLE;

/** Rotates x [sequences, length, headDim]: (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin). */
export function rotate(x: Tensor, { cos, signedSin }: RopeTables): Tensor {
  return overRotated(x, cos, (part) => add(multiply(part, cos), multiply(swapHalves(part), signedSin)));
}

/** The gradient of `rotate`: the transposed rotation. */
export function rotateBackward(gradient: Tensor, { cos, signedSin }: RopeTables): Tensor {
  return overRotated(gradient, cos, (part) =>
    add(multiply(part, cos), swapHalves(multiply(part, signedSin))),
  );
}

/** Applies `turn` to the features that the table covers, and leaves the others as they are. */
function overRotated(x: Tensor, table: Tensor, turn: (part: Tensor) => Tensor): Tensor {
  const headDim = x.shape[2]!;
  const rotated = table.shape[1]!;
  if (rotated === headDim) return turn(x);
  return concat([turn(slice(x, 2, 0, rotated)), slice(x, 2, rotated, headDim - rotated)], 2);
}

function swapHalves(x: Tensor): Tensor {
  return roll(x, x.shape[2]! / 2, 2);
}

const { fround } = Math;

/**
 * Radians per position of feature j. Rounded to float32 after every operation, as `transformers` does: far positions turn
 * by visibly other angles otherwise.
 */
function frequency(j: number, rotated: number, { theta, scaling }: RopeConfig): number {
  const plain = fround(1 / fround(theta ** fround((2 * j) / rotated)));
  switch (scaling.type) {
    case 'none':
      return plain;
    case 'linear':
      return fround(plain / scaling.factor);
    case 'llama3': {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalLength } = scaling;
      const wavelength = fround(fround(2 * Math.PI) / plain);
      if (wavelength > originalLength / low) return fround(plain / factor);
      if (wavelength < originalLength / high) return plain;
      const ramp = fround(fround(fround(originalLength / wavelength) - low) / (high - low));
      const slowed = fround(fround(fround(1 - ramp) * plain) / factor);
      return fround(slowed + fround(ramp * plain));
    }
  }
}

function computeTables(length: number, frequencies: readonly number[]) {
  const half = frequencies.length;
  const rotated = 2 * half;
  const cos = new Float32Array(length * rotated);
  const signedSin = new Float32Array(length * rotated);
  frequencies.forEach((perPosition, j) => {
    for (let position = 0; position < length; position += 1) {
      const angle = fround(position * perPosition);
      const first = position * rotated + j;
      const second = first + half;
      cos[first] = cos[second] = Math.cos(angle);
      signedSin[second] = Math.sin(angle);
      signedSin[first] = -Math.sin(angle);
    }
  });
  return { cos, signedSin };
}
