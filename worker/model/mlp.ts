import { add, multiply } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import { chain } from './compose.js';
import { linearModule, type Linear } from './linear.js';
import type { Module } from './module.js';

/** down(f(up(x))) */
export function mlp(up: Linear, activation: Module, down: Linear): Module {
  return chain(linearModule(up), activation, linearModule(down));
}

interface Saved<Activation> {
  readonly input: Tensor;
  readonly activation: Activation;
  /** f(gate(x)) */
  readonly gate: Tensor;
  readonly up: Tensor;
  /** f(gate(x)) ∘ up(x) */
  readonly gated: Tensor;
}

export interface GatedMlpParts<Activation> {
  readonly gate: Linear;
  readonly activation: Module<Activation>;
  readonly up: Linear;
  readonly down: Linear;
}

/** down(f(gate(x)) ∘ up(x)): SwiGLU with f = SiLU, GEGLU with f = GELU (Shazeer 2020, arXiv:2002.05202). */
export function gatedMlp<Activation>(parts: GatedMlpParts<Activation>): Module<Saved<Activation>> {
  const { gate: gateProjection, activation, up: upProjection, down: downProjection } = parts;
  return {
    parameters: [gateProjection, upProjection, downProjection].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const gate = activation.forward(pass, gateProjection.forward(pass, input));
      const up = upProjection.forward(pass, input);
      const gated = multiply(gate.output, up);
      const output = downProjection.forward(pass, gated);
      return { output, saved: { input, activation: gate.saved, gate: gate.output, up, gated } };
    },

    backward(pass, { input, activation: savedActivation, gate, up, gated }, gradient, emit) {
      const dGated = downProjection.backward(pass, gated, gradient, emit);
      const dUp = multiply(dGated, gate);
      const dGate = activation.backward(pass, savedActivation, multiply(dGated, up), emit);
      return add(
        gateProjection.backward(pass, input, dGate, emit),
        upProjection.backward(pass, input, dUp, emit),
      );
    },
  };
}
