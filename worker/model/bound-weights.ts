import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { tensorOver } from '../tensorflow/memory-tensor.js';
import { dispose, type Tensor } from '../tensorflow/tensor.js';

/** Weights as TensorFlow sees them. */
export class BoundWeights {
  /** @param tensors by name; they are disposed of with this */
  constructor(private readonly tensors: ReadonlyMap<string, Tensor>) {}

  /** Those of a flat buffer, without a copy: they follow what is written to it. */
  static over(weights: FlatBuffer): BoundWeights {
    const { tensors } = weights.layout;
    return new BoundWeights(
      new Map(tensors.map((place) => [place.name, tensorOver(weights.tensor(place), place.shape)])),
    );
  }

  /** The weight of that name, if it is among these. */
  find(name: string): Tensor | undefined {
    return this.tensors.get(name);
  }

  /** The weight of that name. */
  get(name: string): Tensor {
    const tensor = this.find(name);
    if (tensor === undefined) throw new Error(`there is no weight ${name}`);
    return tensor;
  }

  dispose(): void {
    dispose([...this.tensors.values()]);
  }
}
