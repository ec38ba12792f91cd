import type { TensorSpec } from '../parameters/layout.js';
import { add, matMul, sum } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Pass } from './module.js';

/** A linear layer as a model describes it. */
export interface LinearSpec {
  /** Of the layer; its tensors are `name.weight` and `name.bias`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  /** How the weight is stored: [outputs, inputs], or [inputs, outputs] as in GPT-2's `Conv1D`. */
  readonly storage: 'outputs-first' | 'inputs-first';
}

/** y = x Wᵀ + b. The caller keeps x for the backward. */
export interface Linear {
  readonly parameters: readonly TensorSpec[];
  forward(pass: Pass, x: Tensor): Tensor;
  backward(pass: Pass, x: Tensor, gradient: Tensor, emit: EmitGradient): Tensor;
}

/** Makes a model's linear layers: plain ones, or with adapters beside them. */
export type LinearFactory = (spec: LinearSpec) => Linear;

export function linear({ name, inputs, outputs, bias: hasBias, storage }: LinearSpec): Linear {
  const weight = `${name}.weight`;
  const bias = `${name}.bias`;
  const outputsFirst = storage === 'outputs-first';
  const parameters = [{ name: weight, shape: outputsFirst ? [outputs, inputs] : [inputs, outputs] }];
  if (hasBias) parameters.push({ name: bias, shape: [outputs] });
  return {
    parameters,

    forward(pass, x) {
      const product = matMul(x, pass.weight(weight), { transposeB: outputsFirst });
      return hasBias ? add(product, pass.weight(bias)) : product;
    },

    backward(pass, x, gradient, emit) {
      emit(weight, () =>
        outputsFirst ? matMul(gradient, x, { transposeA: true }) : matMul(x, gradient, { transposeA: true }),
      );
      if (hasBias) emit(bias, () => sum(gradient, 0));
      return matMul(gradient, pass.weight(weight), { transposeB: !outputsFirst });
    },
  };
}
