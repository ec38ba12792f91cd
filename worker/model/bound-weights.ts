import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { tensorOver } from '../tensorflow/memory-tensor.js';
import { dispose, type Tensor } from '../tensorflow/tensor.js';

/** A flat buffer of weights as TensorFlow sees it: without a copy, so it follows what is written to the buffer. */
export class BoundWeights {
  private readonly tensors: ReadonlyMap<string, Tensor>;

  constructor(weights: FlatBuffer) {
    this.tensors = new Map(
      weights.layout.tensors.map((place) => [place.name, tensorOver(weights.tensor(place), place.shape)]),
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
