import type { TensorSpec } from '../parameters/layout.js';
import { add, matMul, sum } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Pass } from './module.js';

/** y = x Wᵀ + b, with W stored as [outputs, inputs]. The caller keeps x for the backward. */
export interface Linear {
  readonly parameters: readonly TensorSpec[];
  forward(pass: Pass, x: Tensor): Tensor;
  backward(pass: Pass, x: Tensor, gradient: Tensor, emit: EmitGradient): Tensor;
}

export function linear(prefix: string, inputs: number, outputs: number, hasBias: boolean): Linear {
  const weight = `${prefix}.weight`;
  const bias = `${prefix}.bias`;
  const parameters = [{ name: weight, shape: [outputs, inputs] }];
  if (hasBias) parameters.push({ name: bias, shape: [outputs] });
  return {
    parameters,

    forward(pass, x) {
      const product = matMul(x, pass.weight(weight), { transposeB: true });
      return hasBias ? add(product, pass.weight(bias)) : product;
    },

    backward(pass, x, gradient, emit) {
      emit(weight, matMul(gradient, x, { transposeA: true }));
      if (hasBias) emit(bias, sum(gradient, 0));
      return matMul(gradient, pass.weight(weight));
    },
  };
}
