import { add, batchMatMul, multiply, reshape, scalar, softmax, subtract, sum } from '../tensorflow/ops.js';
import { scope, type Tensor } from '../tensorflow/tensor.js';
import { mergeHeads, splitGradient, type HeadProjection } from './heads.js';
import type { Linear } from './linear.js';
import type { Module, Pass } from './module.js';
import { firstKeys, joinBlocks, rowsOfBlock, sumOverBlocks, type QueryBlock } from './query-blocks.js';
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

/** G query heads share a key head: their rows are laid one below the other, [batch · kvHeads, G · queries, …]. */
interface SavedBlock {
  /** Rotated and scaled, grouped. */
  readonly query: Tensor;
  /** Where the scores are bounded. */
  readonly bounded: Tensor | null;
  /** Grouped, [.., keys that the block sees]. */
  readonly probabilities: Tensor;
}

interface Saved<Projected> {
  readonly projection: Projected;
  /** By block of queries (query-blocks.ts). */
  readonly blocks: readonly SavedBlock[];
  /** Rotated, [batch · kvHeads, length, headDim]. */
  readonly key: Tensor;
  readonly value: Tensor;
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

      const past = key.shape[1]! - length;
      const ofBlock = (block: QueryBlock, mask: Tensor) => {
        const queries = rowsOfBlock(query, groupSize, block);
        const keys = past + block.end;
        const products = batchMatMul(queries, firstKeys(key, keys), { transposeB: true });
        const capped = bound?.forward(products);
        const scores = reshape(capped?.output ?? products, [batch * heads, block.end - block.start, keys]);
        const probabilities = reshape(softmax(add(scores, mask)), products.shape);
        const context = batchMatMul(probabilities, firstKeys(value, keys));
        return { saved: { query: queries, bounded: capped?.bounded ?? null, probabilities }, context };
      };
      const masks = pass.masks(window);
      const computed = pass.queryBlocks.map((block, index) => scope(() => ofBlock(block, masks[index]!)));
      const contexts = computed.map(({ context }) => context);
      const context = mergeHeads(joinBlocks(contexts, groupSize), heads, pass);
      const output = outputProjection.forward(pass, context);
      const blocks = computed.map(({ saved }) => saved);
      return { output, saved: { projection: projected.saved, blocks, key, value, context } };
    },

    backward(pass, saved, gradient, emit) {
      const { blocks, key, value, context } = saved;
      const dContext = outputProjection.backward(pass, context, gradient, emit);
      const delta = perHead(multiply(context, dContext), heads, pass);
      const dOutput = group(splitGradient(dContext, heads, pass), pass);
      const deltaColumn = reshape(delta, [...dOutput.shape.slice(0, 2), 1]);
      const ofBlock = (block: QueryBlock, { query, bounded, probabilities }: SavedBlock) => {
        const keys = probabilities.shape.at(-1)!;
        const dBlock = rowsOfBlock(dOutput, groupSize, block);
        const dProbabilities = batchMatMul(dBlock, firstKeys(value, keys), { transposeB: true });
        const deltaOfBlock = rowsOfBlock(deltaColumn, groupSize, block);
        const dScores = multiply(probabilities, subtract(dProbabilities, deltaOfBlock));
        const dProducts = bounded === null ? dScores : bound!.backward(bounded, dScores);
        return {
          query: batchMatMul(dProducts, firstKeys(key, keys)),
          key: batchMatMul(dProducts, query, { transposeA: true }),
          value: batchMatMul(probabilities, dBlock, { transposeA: true }),
        };
      };
      const gradients = pass.queryBlocks.map((block, index) => scope(() => ofBlock(block, blocks[index]!)));
      const dQuery = joinBlocks(
        gradients.map(({ query }) => query),
        groupSize,
      );
      const dTurned = reshape(multiply(dQuery, scalar(scale)), [
        pass.arrangement.batch * heads,
        pass.arrangement.length,
        headDim,
      ]);
      const ofHeads = {
        query: turnBackward(dTurned, pass),
        key: turnBackward(sumOverBlocks(gradients.map(({ key: ofKey }) => ofKey)), pass),
        value: sumOverBlocks(gradients.map(({ value: ofValue }) => ofValue)),
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
