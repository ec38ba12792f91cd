import { multiply, scalar, square, subtract, tanh } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';

/** y = c tanh(x / c), element by element: keeps |y| below c (Gemma 2: arXiv:2408.00118). */
export interface Softcap {
  /** `bounded` is tanh(x / c), for the backward. */
  forward(x: Tensor): { output: Tensor; bounded: Tensor };
  /** dy/dx = 1 − tanh²(x / c). */
  backward(bounded: Tensor, gradient: Tensor): Tensor;
}

export function softcap(cap: number): Softcap {
  return {
    forward(x) {
      const bounded = tanh(multiply(x, scalar(1 / cap)));
      return { output: multiply(bounded, scalar(cap)), bounded };
    },
    backward: (bounded, gradient) => multiply(gradient, subtract(scalar(1), square(bounded))),
  };
}
