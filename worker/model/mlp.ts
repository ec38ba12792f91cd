import { add, multiply } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Linear } from './linear.js';
import type { Module } from './module.js';

/**
 * What an activation function and a gate make of their inputs is not kept for the backward, which makes it again: they are
 * half of what a block would keep, and cheap beside its products.
 */
interface Saved {
  readonly input: Tensor;
  /** up(x) */
  readonly up: Tensor;
}

/** down(f(up(x))) */
export function mlp(up: Linear, activation: Module, down: Linear): Module<Saved> {
  return {
    parameters: [up, down].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const projected = up.forward(pass, input);
      const { output: activated } = activation.forward(pass, projected);
      return { output: down.forward(pass, activated), saved: { input, up: projected } };
    },

    backward(pass, { input, up: projected }, gradient, emit) {
      const { output: activated, saved } = activation.forward(pass, projected);
      const dActivated = down.backward(pass, activated, gradient, emit);
      return up.backward(pass, input, activation.backward(pass, saved, dActivated, emit), emit);
    },
  };
}

interface GatedSaved extends Saved {
  /** gate(x) */
  readonly gate: Tensor;
}

export interface GatedMlpParts {
  readonly gate: Linear;
  readonly activation: Module;
  readonly up: Linear;
  readonly down: Linear;
}

/** down(f(gate(x)) ∘ up(x)): SwiGLU with f = SiLU, GEGLU with f = GELU (Shazeer 2020, arXiv:2002.05202). */
export function gatedMlp(parts: GatedMlpParts): Module<GatedSaved> {
  const { gate: gateProjection, activation, up: upProjection, down: downProjection } = parts;
  return {
    parameters: [gateProjection, upProjection, downProjection].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const gate = gateProjection.forward(pass, input);
      const up = upProjection.forward(pass, input);
      const gated = multiply(activation.forward(pass, gate).output, up);
      return { output: downProjection.forward(pass, gated), saved: { input, gate, up } };
    },

    backward(pass, { input, gate, up }, gradient, emit) {
      const activated = activation.forward(pass, gate);
      const dGated = downProjection.backward(pass, multiply(activated.output, up), gradient, emit);
      const dUp = multiply(dGated, activated.output);
      const dGate = activation.backward(pass, activated.saved, multiply(dGated, up), emit);
      return add(
        gateProjection.backward(pass, input, dGate, emit),
        upProjection.backward(pass, input, dUp, emit),
      );
    },
  };
}
