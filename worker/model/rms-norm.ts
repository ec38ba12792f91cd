import { add, mean, multiply, rsqrt, scalar, square, subtract, sum } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Module, Pass } from './module.js';

interface Saved {
  readonly input: Tensor;
  /** 1 / rms(x), [tokens, 1]. */
  readonly inverse: Tensor;
}

interface Options {
  /** The factor is 1 + w in place of w (Gemma). */
  readonly unitOffset?: boolean;
}

/**
 * y = w ∘ x̂ with x̂ = x / rms(x) and rms(x)² = mean(x²) + ε (Zhang and Sennrich 2019, arXiv:1910.07467).
 *
 * Backward, with g = w ∘ dy: dx = (g − x̂ · mean(g ∘ x̂)) / rms(x) and dw = Σ_tokens dy ∘ x̂.
 */
export function rmsNorm(
  prefix: string,
  size: number,
  epsilon: number,
  { unitOffset = false }: Options = {},
): Module<Saved> {
  const weight = `${prefix}.weight`;
  const factor = (pass: Pass) => (unitOffset ? add(pass.weight(weight), scalar(1)) : pass.weight(weight));
  return {
    parameters: [{ name: weight, shape: [size] }],

    forward(pass, input) {
      const inverse = rsqrt(add(mean(square(input), 1, { keepDims: true }), scalar(epsilon)));
      const output = multiply(multiply(input, inverse), factor(pass));
      return { output, saved: { input, inverse } };
    },

    backward(pass, { input, inverse }, gradient, emit) {
      const normalized = multiply(input, inverse);
      emit(weight, () => sum(multiply(gradient, normalized), 0));
      const scaled = multiply(gradient, factor(pass));
      const projection = mean(multiply(scaled, normalized), 1, { keepDims: true });
      return multiply(subtract(scaled, multiply(normalized, projection)), inverse);
    },
  };
}
