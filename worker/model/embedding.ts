import type { TensorSpec } from '../parameters/layout.js';
import { addRowsTo } from '../tensorflow/in-place.js';
import { add, gatherRows, multiply, scalar, zeros } from '../tensorflow/ops.js';
import { ints, type Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Pass } from './module.js';

/** From token ids to the first activations. */
export interface Embedding {
  readonly parameters: readonly TensorSpec[];
  /** The table of tokens, which may also be the head's weight. */
  readonly weight: TensorSpec;
  /** → [tokens, hidden] */
  forward(pass: Pass, ids: Int32Array): Tensor;
  /**
   * `headGradient`: the table's gradient as the weight of a tied head, which this adds to and uses up; null where the
   * head has its own weight.
   */
  backward(
    pass: Pass,
    ids: Int32Array,
    gradient: Tensor,
    headGradient: Tensor | null,
    emit: EmitGradient,
  ): void;
}

/** The row of a table for each token. */
export function embedding(name: string, vocabSize: number, hiddenSize: number): Embedding {
  const weight = { name, shape: [vocabSize, hiddenSize] };
  return {
    parameters: [weight],
    weight,
    forward: (pass, ids) => gatherRows(pass.weight(name), ints(ids)),
    backward: (_pass, ids, gradient, headGradient, emit) =>
      emit(name, () => addRowsTo(headGradient ?? zeros(weight.shape), ids, gradient)),
  };
}

/** Multiplied by a constant. */
export function scaledEmbedding(inner: Embedding, scale: number): Embedding {
  return {
    ...inner,
    forward: (pass, ids) => multiply(inner.forward(pass, ids), scalar(scale)),
    backward: (pass, ids, gradient, headGradient, emit) =>
      inner.backward(pass, ids, multiply(gradient, scalar(scale)), headGradient, emit),
  };
}

/** Adds a learned vector for each position, of a table [maxLength, hidden]. */
export function withPositions(inner: Embedding, name: string, maxLength: number): Embedding {
  const hiddenSize = inner.weight.shape[1]!;
  const positions = { name, shape: [maxLength, hiddenSize] };
  const rowsOf = ({ arrangement, memory }: Pass) =>
    arrangement.positions.map((position) => position + (memory?.length ?? 0));
  return {
    ...inner,
    parameters: [...inner.parameters, positions],

    forward(pass, ids) {
      return add(inner.forward(pass, ids), gatherRows(pass.weight(name), ints(rowsOf(pass))));
    },

    backward(pass, ids, gradient, headGradient, emit) {
      emit(name, () => addRowsTo(zeros(positions.shape), rowsOf(pass), gradient));
      inner.backward(pass, ids, gradient, headGradient, emit);
    },
  };
}
