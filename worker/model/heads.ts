import type { TensorSpec } from '../parameters/layout.js';
import { add, concat, reshape } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';
import type { Linear } from './linear.js';
import type { EmitGradient, Module, Pass } from './module.js';

/** What attention works on: [batch · heads, length, headDim], with fewer heads for key and value where they are shared. */
export interface Heads {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** From activations [tokens, features] to heads. */
export interface HeadProjection<Saved = unknown> {
  readonly parameters: readonly TensorSpec[];
  forward(pass: Pass, input: Tensor): { heads: Heads; saved: Saved };
  backward(pass: Pass, saved: Saved, gradient: Heads, emit: EmitGradient): Tensor;
}

export interface SeparateHeadsParts {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly kvHeads: number;
}

/** A layer each for query, key and value. */
export function separateHeads(parts: SeparateHeadsParts): HeadProjection<Tensor> {
  const { query, key, value, heads, kvHeads } = parts;
  return {
    parameters: [query, key, value].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const split = {
        query: splitHeads(query.forward(pass, input), heads, pass),
        key: splitHeads(key.forward(pass, input), kvHeads, pass),
        value: splitHeads(value.forward(pass, input), kvHeads, pass),
      };
      return { heads: split, saved: input };
    },

    backward: (pass, input, gradient, emit) =>
      add(
        add(
          query.backward(pass, input, mergeHeads(gradient.query, heads, pass), emit),
          key.backward(pass, input, mergeHeads(gradient.key, kvHeads, pass), emit),
        ),
        value.backward(pass, input, mergeHeads(gradient.value, kvHeads, pass), emit),
      ),
  };
}

/** How the outputs of a fused layer lie: all queries, then all keys, then all values; or so for each head. */
export type FusedOrder = 'by-kind' | 'by-head';

const KINDS = [0, 1, 2] as const;

/** One layer for query, key and value, of as many heads each. */
export function fusedHeads(layer: Linear, heads: number, order: FusedOrder): HeadProjection<Tensor> {
  /** Of a kind's heads, the slices of a token's outputs. */
  const slicesOf = (kind: number) =>
    upTo(heads).map((head) => (order === 'by-kind' ? kind * heads + head : head * KINDS.length + kind));
  const slices = KINDS.map(slicesOf);
  return {
    parameters: layer.parameters,

    forward(pass, input) {
      const projected = layer.forward(pass, input);
      const headDim = projected.shape[1]! / (KINDS.length * heads);
      const [query, key, value] = slices.map((ofKind) =>
        pass.arrangement.toHeads(projected, ofKind, headDim),
      );
      return { heads: { query: query!, key: key!, value: value! }, saved: input };
    },

    backward(pass, input, { query, key, value }, emit) {
      const { arrangement } = pass;
      const groups: number[] = [];
      slices.forEach((ofKind, kind) =>
        ofKind.forEach((slice, head) => (groups[slice] = kind * arrangement.batch * heads + head)),
      );
      const projected = arrangement.toTokens(concat([query, key, value], 0), heads, groups);
      return layer.backward(pass, input, projected, emit);
    },
  };
}

interface SavedNorms<Projected, Query, Key> {
  readonly projection: Projected;
  readonly query: Query;
  readonly key: Key;
}

/** Normalizes each query and key over its features, as Qwen3 does (Henry et al. 2020, arXiv:2010.04245). */
export function normedHeads<Projected, Query, Key>(
  projection: HeadProjection<Projected>,
  queryNorm: Module<Query>,
  keyNorm: Module<Key>,
): HeadProjection<SavedNorms<Projected, Query, Key>> {
  return {
    parameters: [projection, queryNorm, keyNorm].flatMap(({ parameters }) => parameters),

    forward(pass, input) {
      const { heads, saved } = projection.forward(pass, input);
      const query = queryNorm.forward(pass, asRows(heads.query));
      const key = keyNorm.forward(pass, asRows(heads.key));
      return {
        heads: {
          query: reshape(query.output, heads.query.shape),
          key: reshape(key.output, heads.key.shape),
          value: heads.value,
        },
        saved: { projection: saved, query: query.saved, key: key.saved },
      };
    },

    backward(pass, saved, { query, key, value }, emit) {
      const dQuery = queryNorm.backward(pass, saved.query, asRows(query), emit);
      const dKey = keyNorm.backward(pass, saved.key, asRows(key), emit);
      const gradient = { query: reshape(dQuery, query.shape), key: reshape(dKey, key.shape), value };
      return projection.backward(pass, saved.projection, gradient, emit);
    },
  };
}

/** [tokens, heads · headDim] → [batch · heads, length, headDim] */
function splitHeads(x: Tensor, heads: number, { arrangement }: Pass): Tensor {
  return arrangement.toHeads(x, upTo(heads), x.shape[1]! / heads);
}

/** The same of a gradient. */
export function splitGradient(x: Tensor, heads: number, { arrangement }: Pass): Tensor {
  return arrangement.toZeroPaddedHeads(x, upTo(heads), x.shape[1]! / heads);
}

/** [batch · heads, length, headDim], in whatever grouping → [tokens, heads · headDim] */
export function mergeHeads(x: Tensor, heads: number, { arrangement }: Pass): Tensor {
  return arrangement.toTokens(x, heads, upTo(heads));
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

/** One row for each head of each token. */
function asRows(x: Tensor): Tensor {
  return reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!]);
}
