import type { Linear } from '../../../../worker/model/linear.js';
import type { Module } from '../../../../worker/model/module.js';
import type { Tensor } from '../../../../worker/tensorflow/tensor.js';

/** A linear layer as a module, which keeps its input itself. */
export function linearModule(layer: Linear): Module<Tensor> {
  return {
    parameters: layer.parameters,
    forward: (pass, input) => ({ output: layer.forward(pass, input), saved: input }),
    backward: (pass, input, gradient, emit) => layer.backward(pass, input, gradient, emit),
  };
}
