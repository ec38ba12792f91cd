import * as tf from '@tensorflow/tfjs';

import type { TensorSpec } from '../../../../worker/parameters/layout.js';
import type { Values } from './finite-differences.js';

/**
 * The layers of a decoder, forward only, as one writes them where the framework differentiates: in the operations of
 * tfjs, computed by its kernels in plain JavaScript, which share nothing with the native library's.
 */

tf.enableProdMode(); // Without its advice on faster backends.
await tf.setBackend('cpu');

export type Weights = ReadonlyMap<string, tf.Tensor>;

/** x Wᵀ, and + b where there is a bias. */
export function dense(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  return plusBias(weights, name, tf.matMul(x, weights.get(`${name}.weight`)!, false, true));
}

/** The same with the weight stored as [inputs, outputs]. */
export function denseInputsFirst(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  return plusBias(weights, name, tf.matMul(x, weights.get(`${name}.weight`)!));
}

function plusBias(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  const bias = weights.get(`${name}.bias`);
  return bias === undefined ? x : tf.add(x, bias);
}

export function rmsNormalized(x: tf.Tensor): tf.Tensor {
  return tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)));
}

export function rms(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  return tf.mul(rmsNormalized(x), weights.get(`${name}.weight`)!);
}

export function layerNormalized(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const normalized = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normalized, weights.get(`${name}.weight`)!), weights.get(`${name}.bias`)!);
}

export function silu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(x));
}

export function geluErf(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.div(x, Math.SQRT2)))));
}

export function geluTanh(x: tf.Tensor): tf.Tensor {
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3))));
  return tf.mul(x, tf.mul(0.5, tf.add(1, tf.tanh(inner))));
}

export function capped(x: tf.Tensor, cap: number): tf.Tensor {
  return tf.mul(cap, tf.tanh(tf.div(x, cap)));
}

/** Radians per position of each pair of `rotated` features. */
export function frequencies(rotated: number): number[] {
  return Array.from({ length: rotated / 2 }, (_, j) => 10_000 ** ((-2 * j) / rotated));
}

/** Turns the first features of x [.., length, features], one pair for each frequency. */
export function turn(x: tf.Tensor, perPosition: readonly number[]): tf.Tensor {
  const [length, features] = x.shape.slice(-2) as [number, number];
  const pairs = perPosition.length;
  const sizes = [pairs, pairs, features - 2 * pairs].filter((size) => size > 0);
  const [first, second, ...others] = tf.split(x, sizes, -1) as [tf.Tensor, tf.Tensor, ...tf.Tensor[]];
  const angles = tf.outerProduct(tf.range(0, length), tf.tensor1d([...perPosition]));
  const [cos, sin] = [tf.cos(angles), tf.sin(angles)];
  const turned = [
    tf.sub(tf.mul(first, cos), tf.mul(second, sin)),
    tf.add(tf.mul(second, cos), tf.mul(first, sin)),
  ];
  return tf.concat([...turned, ...others], -1);
}

export interface AttentionShape {
  readonly length: number;
  readonly headDim: number;
  /** Rotary frequencies, none unless given. */
  readonly rope?: readonly number[];
  readonly window?: number;
  readonly scale?: number;
  readonly scoreCap?: number;
}

/** Causal attention of queries [tokens, heads · headDim] to keys and values of as many heads, or fewer → [tokens, heads · headDim] */
export function attend(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  { length, headDim, rope = [], window = length, scale = headDim ** -0.5, scoreCap }: AttentionShape,
): tf.Tensor {
  const heads = query.shape[1]! / headDim;
  const split = (x: tf.Tensor) =>
    tf.transpose(tf.reshape(x, [-1, length, x.shape[1]! / headDim, headDim]), [0, 2, 1, 3]);
  const keyHeads = key.shape[1]! / headDim;
  const served = Array.from({ length: heads }, (_, head) => Math.floor((head * keyHeads) / heads));
  const repeated = (x: tf.Tensor) => tf.gather(x, tf.tensor1d(served, 'int32'), 1);
  const turned = (x: tf.Tensor) => (rope.length === 0 ? x : turn(x, rope));

  const products = tf.matMul(turned(split(query)), repeated(turned(split(key))), false, true);
  const scores = tf.mul(products, scale);
  const bounded = scoreCap === undefined ? scores : capped(scores, scoreCap);
  const hidden = (row: number, column: number) => column > row || column <= row - window;
  const mask = Array.from({ length }, (_, row) =>
    Array.from({ length }, (_, column) => (hidden(row, column) ? -1e9 : 0)),
  );
  const context = tf.matMul(tf.softmax(tf.add(bounded, tf.tensor2d(mask))), repeated(split(value)));
  return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), query.shape);
}

/** Rows of a table. */
export function rowsOf(table: tf.Tensor, rows: Int32Array): tf.Tensor {
  return tf.gather(table, tf.tensor1d(rows, 'int32'));
}

/** Of each row of logits, the log-prob of its label. */
export function logpsOf(logits: tf.Tensor, labels: Int32Array): tf.Tensor {
  const picked = tf.oneHot(tf.tensor1d(labels, 'int32'), logits.shape[1]!);
  return tf.sum(tf.mul(tf.logSoftmax(logits), picked), 1);
}

/** A function's value and, by automatic differentiation, its gradients: those of Σ value ∘ `coefficients(value.length)`. */
export function differentiate(
  plain: (weights: Weights) => tf.Tensor,
  specs: readonly TensorSpec[],
  values: Values,
  coefficients: (length: number) => Float32Array,
): { output: Float32Array; outputGradient: Float32Array; gradients: Map<string, Float32Array> } {
  const names = specs.map(({ name }) => name);
  const compute = (...tensors: tf.Tensor[]) => plain(new Map(names.map((name, i) => [name, tensors[i]!])));
  const tensors = specs.map(({ name, shape }) => tf.tensor(values.get(name)!, [...shape]));
  const untaped = compute(...tensors);
  const outputGradient = coefficients(untaped.size);
  const { value, grads } = tf.valueAndGrads(compute)(tensors, tf.tensor(outputGradient, untaped.shape));
  const gradients = new Map(names.map((name, i) => [name, floatsOf(grads[i]!)]));
  return { output: floatsOf(value), outputGradient, gradients };
}

function floatsOf(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}
