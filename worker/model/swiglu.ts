import { add, multiply, scalar, sigmoid, subtract } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import { linear } from './linear.js';
import type { Module } from './module.js';

interface Saved {
  readonly input: Tensor;
  /** σ(gate) */
  readonly gateSigmoid: Tensor;
  /** silu(gate) = gate ∘ σ(gate) */
  readonly gateSilu: Tensor;
  readonly up: Tensor;
  /** silu(gate) ∘ up */
  readonly activated: Tensor;
}

/**
 * down(silu(gate(x)) ∘ up(x)) (Shazeer 2020, arXiv:2002.05202).
 *
 * Backward of silu: silu′(g) = σ(g) (1 + g (1 − σ(g))) = σ(g) + silu(g) (1 − σ(g)).
 */
export function swiglu(
  prefix: string,
  hiddenSize: number,
  intermediateSize: number,
  bias: boolean,
): Module<Saved> {
  const gateProjection = linear(`${prefix}.gate_proj`, hiddenSize, intermediateSize, bias);
  const upProjection = linear(`${prefix}.up_proj`, hiddenSize, intermediateSize, bias);
  const downProjection = linear(`${prefix}.down_proj`, intermediateSize, hiddenSize, bias);
  return {
    parameters: [gateProjection, upProjection, downProjection].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const gate = gateProjection.forward(pass, input);
      const up = upProjection.forward(pass, input);
      const gateSigmoid = sigmoid(gate);
      const gateSilu = multiply(gate, gateSigmoid);
      const activated = multiply(gateSilu, up);
      const output = downProjection.forward(pass, activated);
      return { output, saved: { input, gateSigmoid, gateSilu, up, activated } };
    },

    backward(pass, { input, gateSigmoid, gateSilu, up, activated }, gradient, emit) {
      const dActivated = downProjection.backward(pass, activated, gradient, emit);
      const dUp = multiply(dActivated, gateSilu);
      const slope = add(gateSigmoid, multiply(gateSilu, subtract(scalar(1), gateSigmoid)));
      const dGate = multiply(multiply(dActivated, up), slope);
      return add(
        gateProjection.backward(pass, input, dGate, emit),
        upProjection.backward(pass, input, dUp, emit),
      );
    },
  };
}
