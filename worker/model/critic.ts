import { writeSafetensors } from '../../lib/safetensors/write.js';
import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { type TensorPlace, type TensorSpec } from '../parameters/layout.js';
import { add, matMul, sum } from '../tensorflow/ops.js';
import { floats, read, scope } from '../tensorflow/tensor.js';
import type { BoundWeights } from './bound-weights.js';
import type { GradientSink, TokenStates } from './language-model.js';

/** Named as in TRL; no tensor of a Hugging Face model is called so. */
const WEIGHT = 'v_head.weight';
const BIAS = 'v_head.bias';

/** The tensors that a critic over `hiddenSize` features adds to those that are trained; all zero to begin with. */
export function criticTensors(hiddenSize: number): TensorSpec[] {
  return [
    { name: WEIGHT, shape: [1, hiddenSize] },
    { name: BIAS, shape: [1] },
  ];
}

/**
 * PPO's critic, V = h · w + b of the state h that predicts a token. It reads the states and sends no gradient into them, as
 * in HALOs, whose head of three layers detaches them (ContextualAI/HALOs@2658204 train/models.py L177-210).
 */
export class Critic {
  private readonly weight: TensorPlace;
  private readonly bias: TensorPlace;

  /** @param tensors places of `criticTensors` among others */
  constructor(tensors: readonly TensorPlace[]) {
    const find = (wanted: string): TensorPlace => {
      const place = tensors.find(({ name }) => name === wanted);
      if (place === undefined) throw new Error(`there is no place for ${wanted}`);
      return place;
    };
    this.weight = find(WEIGHT);
    this.bias = find(BIAS);
  }

  /** The value of every completion token, by sequence. */
  values(weights: BoundWeights, { hidden, counts }: TokenStates): Float32Array[] {
    const values = scope(() => {
      const product = matMul(hidden, weights.get(WEIGHT), { transposeB: true });
      return read(add(product, weights.get(BIAS)));
    });
    let start = 0;
    return counts.map((count) => values.subarray(start, (start += count)));
  }

  /**
   * Hands the gradients of its own tensors to the sink.
   *
   * @param gradients ∂loss/∂value of each completion token, by sequence
   */
  backward({ hidden, counts }: TokenStates, gradients: readonly Float64Array[], sink: GradientSink): void {
    if (gradients.length !== counts.length || gradients.some(({ length }, i) => length !== counts[i])) {
      const given = gradients.map(({ length }) => length);
      throw new Error(`gradients of ${given.join(', ')} values for ${counts.join(', ')} tokens`);
    }
    scope(() => {
      const perToken = Float32Array.from(gradients.flatMap((ofSequence) => [...ofSequence]));
      const gradient = floats([perToken.length, 1], perToken);
      sink.add(this.weight, matMul(gradient, hidden, { transposeA: true }));
      sink.add(this.bias, sum(gradient, 0));
    });
  }

  /** Writes its weights as a safetensors file, complete or not at all. @throws RunError if it cannot be written */
  save(weights: FlatBuffer, path: string): void {
    const sources = [this.weight, this.bias].map((place) => ({
      name: place.name,
      shape: place.shape,
      values: () => weights.tensor(place),
    }));
    writeSafetensors(path, sources, { dtype: 'F32', metadata: { format: 'pt' } });
  }

  /** Whether a tensor is one of its own. */
  owns({ name }: TensorSpec): boolean {
    return name === WEIGHT || name === BIAS;
  }
}
