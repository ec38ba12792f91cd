import { add, batchMatMul, multiply, reshape, scalar, softmax, subtract, sum } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import { mergeHeads, splitGradient, type HeadProjection } from './heads.js';
import type { Linear } from './linear.js';
import type { Module, Pass } from './module.js';
import { rotate, rotateBackward } from './rope.js';
import { softcap } from './softcap.js';

export interface AttentionParts<Projected> {
  readonly projection: HeadProjection<Projected>;
  readonly output: Linear;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; each serves `heads / kvHeads` consecutive query heads. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** How many keys a query sees, its own included; null for all before it. */
  readonly window?: number | null;
  /** Of the products of queries and keys; 1 / √headDim unless given. */
  readonly scale?: number;
  /** Bound of the scores (see `softcap`), null for none. */
  readonly scoreCap?: number | null;
}

/** G query heads share a key head: their rows are laid one below the other, [batch · kvHeads, G · length, …]. */
interface Saved<Projected> {
  readonly projection: Projected;
  /** Rotated and scaled, grouped. */
  readonly query: Tensor;
  /** Rotated, [batch · kvHeads, length, headDim]. */
  readonly key: Tensor;
  readonly value: Tensor;
  /** Where the scores are bounded. */
  readonly bounded: Tensor | null;
  /** Grouped, [.., length]. */
  readonly probabilities: Tensor;
  /** [tokens, heads · headDim] */
  readonly context: Tensor;
}

/**
 * Causal self-attention with grouped queries (Ainslie et al. 2023, arXiv:2305.13245), with rotary positions where the
 * pass has them: softmax(q kᵀ · scale + mask) v.
 *
 * Backward of the softmax: dscores = p ∘ (dp − δ), where δ = Σ_keys p ∘ dp of each query is also Σ_features o ∘ do
 * (Dao et al. 2022, arXiv:2205.14135, appendix B).
 */
export function attention<Projected>(parts: AttentionParts<Projected>): Module<Saved<Projected>> {
  const { projection, output: outputProjection, heads, kvHeads, headDim, window = null } = parts;
  const { scale = 1 / Math.sqrt(headDim), scoreCap = null } = parts;
  const groupSize = heads / kvHeads;
  const bound = scoreCap === null ? null : softcap(scoreCap);

  const group = (x: Tensor, { arrangement: { batch, length } }: Pass) =>
    reshape(x, [batch * kvHeads, groupSize * length, headDim]);

  return {
    parameters: [...projection.parameters, ...outputProjection.parameters],

    forward(pass, input) {
      const { batch, length } = pass.arrangement;
      const projected = projection.forward(pass, input);
      const query = group(multiply(turn(projected.heads.query, pass), scalar(scale)), pass);
      const added = { key: turn(projected.heads.key, pass), value: projected.heads.value };
      const { key, value } = pass.memory?.extend(parts, added) ?? added;

      const products = batchMatMul(query, key, { transposeB: true });
      const capped = bound?.forward(products);
      const scores = reshape(capped?.output ?? products, [batch * heads, length, key.shape[1]!]);
      const probabilities = reshape(softmax(add(scores, pass.mask(window))), products.shape);
      const context = mergeHeads(batchMatMul(probabilities, value), heads, pass);
      const output = outputProjection.forward(pass, context);
      const bounded = capped?.bounded ?? null;
      const saved = { projection: projected.saved, query, key, value, bounded, probabilities, context };
      return { output, saved };
    },

    backward(pass, saved, gradient, emit) {
      const { query, key, value, bounded, probabilities, context } = saved;
      const dContext = outputProjection.backward(pass, context, gradient, emit);
      const delta = perHead(multiply(context, dContext), heads, pass);
      const dOutput = group(splitGradient(dContext, heads, pass), pass);
      const dValue = batchMatMul(probabilities, dOutput, { transposeA: true });
      const dProbabilities = batchMatMul(dOutput, value, { transposeB: true });
      const deltaColumn = reshape(delta, [...query.shape.slice(0, 2), 1]);
      const dScores = multiply(probabilities, subtract(dProbabilities, deltaColumn));
      const dProducts = bounded === null ? dScores : bound!.backward(bounded, dScores);

      const dTurned = reshape(multiply(batchMatMul(dProducts, key), scalar(scale)), [
        pass.arrangement.batch * heads,
        pass.arrangement.length,
        headDim,
      ]);
      const ofHeads = {
        query: turnBackward(dTurned, pass),
        key: turnBackward(batchMatMul(dProducts, query, { transposeA: true }), pass),
        value: dValue,
      };
      return projection.backward(pass, saved.projection, ofHeads, emit);
    },
  };
}

function turn(x: Tensor, { rope }: Pass): Tensor {
  return rope === null ? x : rotate(x, rope);
}

function turnBackward(gradient: Tensor, { rope }: Pass): Tensor {
  return rope === null ? gradient : rotateBackward(gradient, rope);
}

/** Sums the features of each head: [tokens, heads · headDim] → [batch · heads, length, 1] */
function perHead(x: Tensor, heads: number, pass: Pass): Tensor {
  const { tokens } = pass.arrangement;
  const sums = sum(reshape(x, [tokens * heads, x.shape[1]! / heads]), 1);
  return splitGradient(reshape(sums, [tokens, heads]), heads, pass);
}
