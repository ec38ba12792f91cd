import type { TensorSpec } from '../parameters/layout.js';
import { addRowsTo } from '../tensorflow/in-place.js';
import { gatherRows, zeros } from '../tensorflow/ops.js';
import { ints, type Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Pass } from './module.js';

/** The row of a table for each token. */
export interface Embedding {
  readonly weight: TensorSpec;
  /** → [tokens, hidden] */
  forward(pass: Pass, ids: Int32Array): Tensor;
  /**
   * `headGradient`: the table's gradient as the weight of a tied head, which this adds to and uses up; null where the
   * head has its own weight.
   */
  backward(ids: Int32Array, gradient: Tensor, headGradient: Tensor | null, emit: EmitGradient): void;
}

export function embedding(name: string, vocabSize: number, hiddenSize: number): Embedding {
  const weight = { name, shape: [vocabSize, hiddenSize] };
  return {
    weight,
    forward: (pass, ids) => gatherRows(pass.weight(name), ints(ids)),
    backward(ids, gradient, headGradient, emit) {
      emit(name, addRowsTo(headGradient ?? zeros(weight.shape), ids, gradient));
    },
  };
}
