import { add } from '../tensorflow/ops.js';
import type { Module } from './module.js';

/** y = fₙ(… f₁(x)) */
export function chain(...modules: readonly Module[]): Module<readonly unknown[]> {
  return {
    parameters: modules.flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      let output = input;
      const saved = modules.map((module) => {
        const step = module.forward(pass, output);
        output = step.output;
        return step.saved;
      });
      return { output, saved };
    },

    backward: (pass, saved, gradient, emit) =>
      modules.reduceRight(
        (upper, module, index) => module.backward(pass, saved[index], upper, emit),
        gradient,
      ),
  };
}

/** y = x + f(x) */
export function residual<Saved>(module: Module<Saved>): Module<Saved> {
  return {
    parameters: module.parameters,

    forward(pass, input) {
      const { output, saved } = module.forward(pass, input);
      return { output: add(input, output), saved };
    },

    backward: (pass, saved, gradient, emit) => add(gradient, module.backward(pass, saved, gradient, emit)),
  };
}

/** y = f(x) + g(x) */
export function parallel(left: Module, right: Module): Module<readonly [unknown, unknown]> {
  return {
    parameters: [...left.parameters, ...right.parameters],

    forward(pass, input) {
      const ofLeft = left.forward(pass, input);
      const ofRight = right.forward(pass, input);
      return { output: add(ofLeft.output, ofRight.output), saved: [ofLeft.saved, ofRight.saved] };
    },

    backward: (pass, [ofLeft, ofRight], gradient, emit) =>
      add(left.backward(pass, ofLeft, gradient, emit), right.backward(pass, ofRight, gradient, emit)),
  };
}
