import { add, erf, exp, multiply, scalar, sigmoid, square, subtract, tanh } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Module } from './module.js';

/** Element by element, without parameters. */

interface SavedSilu {
  /** σ(x) */
  readonly gate: Tensor;
  readonly output: Tensor;
}

/** y = x σ(x) (Elfwing et al. 2017, arXiv:1702.03118). y′ = σ + y (1 − σ). */
export const silu: Module<SavedSilu> = {
  parameters: [],

  forward(_pass, input) {
    const gate = sigmoid(input);
    const output = multiply(input, gate);
    return { output, saved: { gate, output } };
  },

  backward(_pass, { gate, output }, gradient) {
    const slope = add(gate, multiply(output, subtract(scalar(1), gate)));
    return multiply(gradient, slope);
  },
};

interface SavedGelu {
  readonly input: Tensor;
  /** Φ(x), or its approximation. */
  readonly cumulative: Tensor;
}

/**
 * y = x Φ(x) with Φ the normal distribution's cumulative function (Hendrycks and Gimpel 2016, arXiv:1606.08415).
 * y′ = Φ + x φ, where φ(x) = e^(−x²/2) / √(2π).
 */
export const gelu: Module<SavedGelu> = {
  parameters: [],

  forward(_pass, input) {
    const halfErf = multiply(erf(multiply(input, scalar(Math.SQRT1_2))), scalar(0.5));
    const cumulative = add(halfErf, scalar(0.5));
    return { output: multiply(input, cumulative), saved: { input, cumulative } };
  },

  backward(_pass, { input, cumulative }, gradient) {
    const density = multiply(exp(multiply(square(input), scalar(-0.5))), scalar(1 / Math.sqrt(2 * Math.PI)));
    return multiply(gradient, add(cumulative, multiply(input, density)));
  },
};

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBE = 0.044715;

/**
 * GELU with Φ(x) ≈ P = (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³), as GPT-2 has it (ibid.).
 * y′ = P + 2 x P (1 − P) u′, since (tanh u)′ = 1 − tanh² u = 4 P (1 − P).
 */
export const geluTanh: Module<SavedGelu> = {
  parameters: [],

  forward(_pass, input) {
    const cubic = add(multiply(square(input), scalar(TANH_CUBE)), scalar(1));
    const u = multiply(multiply(input, cubic), scalar(TANH_SCALE));
    const cumulative = multiply(add(tanh(u), scalar(1)), scalar(0.5));
    return { output: multiply(input, cumulative), saved: { input, cumulative } };
  },

  backward(_pass, { input, cumulative }, gradient) {
    const slopeOfU = add(
      multiply(square(input), scalar(2 * TANH_SCALE * 3 * TANH_CUBE)),
      scalar(2 * TANH_SCALE),
    );
    const rest = subtract(scalar(1), cumulative);
    const bend = multiply(multiply(multiply(input, cumulative), rest), slopeOfU);
    return multiply(gradient, add(cumulative, bend));
  },
};

/** By the names that `config.json` has for them. */
export const activations = {
  silu,
  swish: silu,
  gelu,
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
} as const satisfies Record<string, Module>;

export type ActivationName = keyof typeof activations;
