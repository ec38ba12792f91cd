import type { TensorSpec } from '../../parameters/layout.js';
import { add, matMul, multiply, scalar } from '../../tensorflow/ops.js';
import type { Tensor } from '../../tensorflow/tensor.js';
import { linear, type Linear, type LinearFactory, type LinearSpec } from '../linear.js';
import type { Pass } from '../module.js';

/** The sizes of a low-rank adapter. */
export interface LoraShape {
  /** Rank of the update. */
  readonly r: number;
  /** What the update is multiplied by. */
  readonly scale: number;
}

/** The adapter's tensors of one layer, named as PEFT does: A [r, inputs] and B [outputs, r], however the layer is stored. */
export function loraTensors(
  { name, inputs, outputs }: LinearSpec,
  r: number,
): { a: TensorSpec; b: TensorSpec } {
  const prefix = `base_model.model.${name}`;
  return {
    a: { name: `${prefix}.lora_A.weight`, shape: [r, inputs] },
    b: { name: `${prefix}.lora_B.weight`, shape: [outputs, r] },
  };
}

/** Makes the named layers with an adapter, all others without. */
export function loraLinears(layers: ReadonlySet<string>, shape: LoraShape): LinearFactory {
  return (spec) => (layers.has(spec.name) ? loraLinear(spec, shape) : linear(spec));
}

/**
 * y = x Wᵀ + b + s (x Aᵀ) Bᵀ (Hu et al. 2021, arXiv:2106.09685).
 *
 * Backward, with h = x Aᵀ and dh = s dy B: dA = dhᵀ x, dB = s dyᵀ h, and dh A joins dx.
 */
function loraLinear(spec: LinearSpec, { r, scale }: LoraShape): Linear {
  const base = linear(spec);
  const { a, b } = loraTensors(spec, r);
  const scaledProjection = (pass: Pass, x: Tensor) =>
    multiply(matMul(x, pass.weight(a.name), { transposeB: true }), scalar(scale));
  return {
    parameters: [...base.parameters, a, b],

    forward(pass, x) {
      const update = matMul(scaledProjection(pass, x), pass.weight(b.name), { transposeB: true });
      return add(base.forward(pass, x), update);
    },

    backward(pass, x, gradient, emit) {
      const dProjection = multiply(matMul(gradient, pass.weight(b.name)), scalar(scale));
      emit(a.name, () => matMul(dProjection, x, { transposeA: true }));
      emit(b.name, () => matMul(gradient, scaledProjection(pass, x), { transposeA: true }));
      return add(base.backward(pass, x, gradient, emit), matMul(dProjection, pass.weight(a.name)));
    },
  };
}
