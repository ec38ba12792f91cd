import { add, mean, multiply, rsqrt, scalar, square, subtract, sum } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Module } from './module.js';

interface Saved {
  readonly input: Tensor;
  /** mean(x), [tokens, 1]. */
  readonly center: Tensor;
  /** 1 / σ(x), [tokens, 1]. */
  readonly inverse: Tensor;
}

/**
 * y = w ∘ x̂ + b with x̂ = (x − mean(x)) / σ(x) and σ(x)² = var(x) + ε (Ba et al. 2016, arXiv:1607.06450).
 *
 * Backward, with g = w ∘ dy: dx = (g − mean(g) − x̂ · mean(g ∘ x̂)) / σ(x), dw = Σ_tokens dy ∘ x̂, db = Σ_tokens dy.
 */
export function layerNorm(prefix: string, size: number, epsilon: number): Module<Saved> {
  const weight = `${prefix}.weight`;
  const bias = `${prefix}.bias`;
  return {
    parameters: [
      { name: weight, shape: [size] },
      { name: bias, shape: [size] },
    ],

    forward(pass, input) {
      const center = mean(input, 1, { keepDims: true });
      const centered = subtract(input, center);
      const inverse = rsqrt(add(mean(square(centered), 1, { keepDims: true }), scalar(epsilon)));
      const scaled = multiply(multiply(centered, inverse), pass.weight(weight));
      return { output: add(scaled, pass.weight(bias)), saved: { input, center, inverse } };
    },

    backward(pass, { input, center, inverse }, gradient, emit) {
      const normalized = multiply(subtract(input, center), inverse);
      emit(weight, () => sum(multiply(gradient, normalized), 0));
      emit(bias, () => sum(gradient, 0));
      const scaled = multiply(gradient, pass.weight(weight));
      const projection = mean(multiply(scaled, normalized), 1, { keepDims: true });
      const offCenter = subtract(scaled, mean(scaled, 1, { keepDims: true }));
      return multiply(subtract(offCenter, multiply(normalized, projection)), inverse);
    },
  };
}
