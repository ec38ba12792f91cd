import {
  add,
  batchMatMul,
  multiply,
  reshape,
  scalar,
  softmax,
  subtract,
  sum,
  transpose,
} from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import { linear } from './linear.js';
import type { Module, Pass } from './module.js';
import { rotate, rotateBackward } from './rope.js';

export interface AttentionShape {
  readonly hiddenSize: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; each serves `heads / kvHeads` consecutive query heads. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of all four projections. */
  readonly bias: boolean;
}

/** G query heads share a key head: their rows are laid one below the other, [batch · kvHeads, G · length, …]. */
interface Saved {
  readonly input: Tensor;
  /** Rotated and divided by √headDim, grouped. */
  readonly query: Tensor;
  /** Rotated, [batch · kvHeads, length, headDim]. */
  readonly key: Tensor;
  readonly value: Tensor;
  /** Grouped, [.., length]. */
  readonly probabilities: Tensor;
  /** [tokens, heads · headDim] */
  readonly context: Tensor;
}

/**
 * Causal self-attention with rotary positions and grouped queries (Ainslie et al. 2023, arXiv:2305.13245):
 * softmax(q kᵀ / √headDim + mask) v.
 *
 * Backward of the softmax: dscores = p ∘ (dp − δ), where δ = Σ_keys p ∘ dp of each query is also Σ_features o ∘ do
 * (Dao et al. 2022, arXiv:2205.14135, appendix B).
 */
export function attention(prefix: string, shape: AttentionShape): Module<Saved> {
  const { hiddenSize, heads, kvHeads, headDim, bias } = shape;
  const groupSize = heads / kvHeads;
  const queryProjection = linear(`${prefix}.q_proj`, hiddenSize, heads * headDim, bias);
  const keyProjection = linear(`${prefix}.k_proj`, hiddenSize, kvHeads * headDim, bias);
  const valueProjection = linear(`${prefix}.v_proj`, hiddenSize, kvHeads * headDim, bias);
  const outputProjection = linear(`${prefix}.o_proj`, heads * headDim, hiddenSize, bias);
  const scale = 1 / Math.sqrt(headDim);

  const group = (x: Tensor, { batch, length }: Pass) =>
    reshape(x, [batch * kvHeads, groupSize * length, headDim]);

  return {
    parameters: [queryProjection, keyProjection, valueProjection, outputProjection].flatMap(
      ({ parameters }) => parameters,
    ),

    forward(pass, input) {
      const { batch, length } = pass;
      const rotated = rotate(splitHeads(queryProjection.forward(pass, input), heads, pass), pass.rope);
      const query = group(multiply(rotated, scalar(scale)), pass);
      const key = rotate(splitHeads(keyProjection.forward(pass, input), kvHeads, pass), pass.rope);
      const value = splitHeads(valueProjection.forward(pass, input), kvHeads, pass);

      const scores = batchMatMul(query, key, { transposeB: true });
      const masked = add(reshape(scores, [batch * heads, length, length]), pass.causalMask);
      const probabilities = reshape(softmax(masked), scores.shape);
      const context = mergeHeads(batchMatMul(probabilities, value), heads, pass);
      const output = outputProjection.forward(pass, context);
      return { output, saved: { input, query, key, value, probabilities, context } };
    },

    backward(pass, { input, query, key, value, probabilities, context }, gradient, emit) {
      const dContext = outputProjection.backward(pass, context, gradient, emit);
      const delta = perHead(multiply(context, dContext), heads, pass);
      const dOutput = group(splitHeads(dContext, heads, pass), pass);
      const dValue = batchMatMul(probabilities, dOutput, { transposeA: true });
      const dProbabilities = batchMatMul(dOutput, value, { transposeB: true });
      const deltaColumn = reshape(delta, [...query.shape.slice(0, 2), 1]);
      const dScores = multiply(probabilities, subtract(dProbabilities, deltaColumn));

      const dRotated = reshape(multiply(batchMatMul(dScores, key), scalar(scale)), [
        pass.batch * heads,
        pass.length,
        headDim,
      ]);
      const dQuery = mergeHeads(rotateBackward(dRotated, pass.rope), heads, pass);
      const dKey = mergeHeads(
        rotateBackward(batchMatMul(dScores, query, { transposeA: true }), pass.rope),
        kvHeads,
        pass,
      );
      return add(
        add(
          queryProjection.backward(pass, input, dQuery, emit),
          keyProjection.backward(pass, input, dKey, emit),
        ),
        valueProjection.backward(pass, input, mergeHeads(dValue, kvHeads, pass), emit),
      );
    },
  };
}

/** [tokens, heads · headDim] → [batch · heads, length, headDim] */
function splitHeads(x: Tensor, heads: number, { batch, length }: Pass): Tensor {
  const headDim = x.shape[1]! / heads;
  const byHead = transpose(reshape(x, [batch, length, heads, headDim]), [0, 2, 1, 3]);
  return reshape(byHead, [batch * heads, length, headDim]);
}

/** [batch · heads, length, headDim], in whatever grouping → [tokens, heads · headDim] */
function mergeHeads(x: Tensor, heads: number, { batch, length }: Pass): Tensor {
  const headDim = x.shape[2]!;
  const byToken = transpose(reshape(x, [batch, heads, length, headDim]), [0, 2, 1, 3]);
  return reshape(byToken, [batch * length, heads * headDim]);
}

/** Sums the features of each head: [tokens, heads · headDim] → [batch, heads, length] */
function perHead(x: Tensor, heads: number, { batch, length }: Pass): Tensor {
  const tokens = batch * length;
  const sums = sum(reshape(x, [tokens * heads, x.shape[1]! / heads]), 1);
  return transpose(reshape(sums, [batch, length, heads]), [0, 2, 1]);
}
