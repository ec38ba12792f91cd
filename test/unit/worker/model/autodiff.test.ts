import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import * as tf from '@tensorflow/tfjs';

import { gelu, geluTanh, silu } from '../../../../worker/model/activation.js';
import { loraLinears } from '../../../../worker/model/adapter/lora-linear.js';
import { parametersOf, type Architecture } from '../../../../worker/model/architecture.js';
import { attention } from '../../../../worker/model/attention.js';
import {
  embedding,
  scaledEmbedding,
  withPositions,
  type Embedding,
} from '../../../../worker/model/embedding.js';
import { gptNeox } from '../../../../worker/model/families/gpt-neox.js';
import { llama } from '../../../../worker/model/families/llama.js';
import { head, type Head } from '../../../../worker/model/head.js';
import { fusedHeads, normedHeads, separateHeads, type FusedOrder } from '../../../../worker/model/heads.js';
import { LanguageModel, type Sequence } from '../../../../worker/model/language-model.js';
import { layerNorm } from '../../../../worker/model/layer-norm.js';
import { linear, type LinearFactory } from '../../../../worker/model/linear.js';
import { gatedMlp, mlp } from '../../../../worker/model/mlp.js';
import type { Module, Pass } from '../../../../worker/model/module.js';
import { rmsNorm } from '../../../../worker/model/rms-norm.js';
import { rope, rotate, rotateBackward, type Rope, type RopeScaling } from '../../../../worker/model/rope.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { layOut, type TensorSpec } from '../../../../worker/parameters/layout.js';
import { configureThreads } from '../../../../worker/tensorflow/environment.js';
import { reshape } from '../../../../worker/tensorflow/ops.js';
import { floats, read, scope } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';
import type { Values } from './finite-differences.js';
import { linearModule } from './linear-module.js';
import { collector, passOver, randomValues } from './module-gradients.js';
import * as plain from './plain-layers.js';
import type { Weights } from './plain-layers.js';

configureThreads(1);

const BATCH = 2;
const LENGTH = 5;
const HIDDEN = 8;
const HEAD_DIM = 4;
const VOCABULARY = 11;
const MLP_SIZE = 6;

/** A layer as this project has it, and the same in plain operations; both are functions of the arrays of `specs`. */
interface Case {
  readonly specs: readonly TensorSpec[];
  readonly explicit: (
    values: Values,
    outputGradient: Float32Array,
  ) => { output: Float32Array; gradients: Values };
  readonly plain: (weights: Weights) => tf.Tensor;
}

type PlainModule = (weights: Weights, input: tf.Tensor) => tf.Tensor;

const INPUT = { name: 'input', shape: [BATCH * LENGTH, HIDDEN] };

/** A module on activations. */
function ofModule(module: Module, same: PlainModule, turning: Rope | null = null): Case {
  const specs = [...module.parameters, INPUT];
  return {
    specs,
    plain: (weights) => same(weights, weights.get(INPUT.name)!),
    explicit: (values, outputGradient) =>
      scope(() => {
        const pass = passFor(values, specs, turning);
        const { output, saved } = module.forward(pass, pass.weight(INPUT.name));
        const { gradients, emit } = collector();
        const ofInput = module.backward(pass, saved, floats(output.shape, outputGradient), emit);
        return { output: read(output), gradients: gradients.set(INPUT.name, read(ofInput)) };
      }),
  };
}

function passFor(values: Values, specs: readonly TensorSpec[], turning: Rope | null = null): Pass {
  const shape = { lengths: Array.from({ length: BATCH }, () => LENGTH), features: HIDDEN, rotated: 0 };
  return { ...passOver(values, specs, shape), rope: turning?.tables(0, LENGTH) ?? null };
}

/** Two sequences; the second is one token shorter than the batch, and so padded with token 0. */
const sequences: readonly Sequence[] = [
  { ids: Int32Array.of(3, 0, 3, 10, 7), completionStart: 2 },
  { ids: Int32Array.of(10, 1, 3, 3), completionStart: 1 },
];
const ids = Int32Array.of(3, 0, 3, 10, 7, 10, 1, 3, 3, 0);
/** The completions' tokens, and the rows of the batch that predict them. */
const targets = { rows: Int32Array.of(1, 2, 3, 5, 6, 7), labels: Int32Array.of(3, 10, 7, 1, 3, 3) };
const TARGETS_OF_FIRST = 3;

/** An embedding of the batch's tokens. */
function ofEmbedding(layer: Embedding, same: (weights: Weights) => tf.Tensor): Case {
  return {
    specs: layer.parameters,
    plain: same,
    explicit: (values, outputGradient) =>
      scope(() => {
        const pass = passFor(values, layer.parameters);
        const output = layer.forward(pass, ids);
        const { gradients, emit } = collector();
        layer.backward(pass, ids, floats(output.shape, outputGradient), null, emit);
        return { output: read(output), gradients };
      }),
  };
}

/** The log-probs of the targets. */
function ofHead(layer: Head, same: PlainModule): Case {
  const specs = [...layer.parameters, layer.weight, INPUT];
  return {
    specs,
    plain: (weights) => same(weights, weights.get(INPUT.name)!),
    explicit: (values, outputGradient) =>
      scope(() => {
        const pass = passFor(values, specs);
        const { logps, saved } = layer.forward(pass, pass.weight(INPUT.name), targets, true);
        const { gradients, emit } = collector();
        const found = layer.backward(pass, saved, targets, outputGradient, true, emit);
        gradients.set(INPUT.name, read(found.inputGradient));
        gradients.set(layer.weight.name, read(found.weightGradient!));
        return { output: logps, gradients };
      }),
  };
}

/** A whole model, from the batch's tokens to the log-probs of the targets. */
function ofModel(architecture: Architecture, same: (weights: Weights) => tf.Tensor): Case {
  const specs = parametersOf(architecture);
  return {
    specs,
    plain: same,
    explicit(values, outputGradient) {
      const layout = layOut(specs);
      const buffer = FlatBuffer.allocate(layout);
      for (const { name } of specs) buffer.named(name).set(values.get(name)!);
      const model = new LanguageModel(architecture, layout);
      const weights = model.bind(buffer);
      const gradients = new Map<string, Float32Array>();
      const logpGradients = [
        outputGradient.slice(0, TARGETS_OF_FIRST),
        outputGradient.slice(TARGETS_OF_FIRST),
      ];
      const logps = model.forwardBackward(weights, sequences, () => logpGradients, {
        add: ({ name }, gradient) => gradients.set(name, read(gradient)),
      });
      weights.dispose();
      return { output: Float32Array.from(logps.flatMap((ofSequence) => [...ofSequence])), gradients };
    },
  };
}

const layer = (name: string, inputs: number, outputs: number, bias = false) =>
  linear({ name, inputs, outputs, bias, storage: 'outputs-first' });

const plainRope = (rotated: number, scaling: RopeScaling = { type: 'none' }) =>
  rope(rotated, { theta: 10_000, scaling });

function linears(kind: string, factory: LinearFactory, update: PlainModule = () => tf.scalar(0)) {
  const cases: Record<string, Case> = {};
  for (const storage of ['outputs-first', 'inputs-first'] as const) {
    for (const bias of [false, true]) {
      const product = storage === 'outputs-first' ? plain.dense : plain.denseInputsFirst;
      cases[`${kind}, ${storage}${bias ? ', with bias' : ''}`] = ofModule(
        linearModule(factory({ name: 'layer', inputs: HIDDEN, outputs: 3, bias, storage })),
        (w, x) => tf.add(product(w, 'layer', x), update(w, x)),
      );
    }
  }
  return cases;
}

/** s (x Aᵀ) Bᵀ */
const plainUpdate: PlainModule = (w, x) => {
  const [a, b] = ['A', 'B'].map((part) => w.get(`base_model.model.layer.lora_${part}.weight`)!);
  return tf.mul(1.5, tf.matMul(tf.matMul(x, a!, false, true), b!, false, true));
};

/** Each head as one row, so that a head's features can be turned without an attention around it. */
const rotation: Module<null> = {
  parameters: [],
  forward: (pass, input) => ({
    output: rotate(reshape(input, [BATCH, LENGTH, HIDDEN]), pass.rope!),
    saved: null,
  }),
  backward: (pass, _saved, gradient) => reshape(rotateBackward(gradient, pass.rope!), INPUT.shape),
};
const turned =
  (perPosition: readonly number[]): PlainModule =>
  (_, x) =>
    plain.turn(tf.reshape(x, [BATCH, LENGTH, HIDDEN]), perPosition);

const llama3 = {
  type: 'llama3',
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalLength: 100,
} as const;
/** Turns of the wavelengths 6.3, 63, 628 and 6283 over 100 positions: the first is fast, the second on the ramp. */
const slowed = plain.frequencies(HIDDEN).map((frequency) => {
  const turns = (100 * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (turns - 1) / 3));
  return kept * frequency + ((1 - kept) * frequency) / 8;
});

interface SeparateOptions extends Pick<plain.AttentionShape, 'window' | 'scale' | 'scoreCap'> {
  readonly bias?: boolean;
}

/** Attention with a layer each for query, key and value, all features rotary. */
function separate(heads: number, kvHeads: number, { bias = false, ...options }: SeparateOptions = {}) {
  const projection = separateHeads({
    query: layer('query', HIDDEN, HEAD_DIM * heads, bias),
    key: layer('key', HIDDEN, HEAD_DIM * kvHeads, bias),
    value: layer('value', HIDDEN, HEAD_DIM * kvHeads, bias),
    heads,
    kvHeads,
  });
  const output = layer('output', HEAD_DIM * heads, HIDDEN, bias);
  return { projection, output, heads, kvHeads, headDim: HEAD_DIM, ...options };
}

const attentionShape = { length: LENGTH, headDim: HEAD_DIM };
const rotary = { ...attentionShape, rope: plain.frequencies(HEAD_DIM) };

const attended: (options?: Partial<plain.AttentionShape>) => PlainModule =
  (options = {}) =>
  (w, x) => {
    const [query, key, value] = ['query', 'key', 'value'].map((name) => plain.dense(w, name, x));
    return plain.dense(w, 'output', plain.attend(query!, key!, value!, { ...rotary, ...options }));
  };

const ofSeparate = (heads: number, kvHeads: number, options: SeparateOptions = {}) =>
  ofModule(attention(separate(heads, kvHeads, options)), attended(options), plainRope(HEAD_DIM));

function normedAttention(): Case {
  const { projection, ...others } = separate(4, 2);
  const norms = ['query_norm', 'key_norm'].map((name) => rmsNorm(name, HEAD_DIM, 1e-5));
  const normed = normedHeads(projection, norms[0]!, norms[1]!);
  const rows = (x: tf.Tensor) => tf.reshape(x, [-1, HEAD_DIM]);
  return ofModule(
    attention({ projection: normed, ...others }),
    (w, x) => {
      const [query, key, value] = ['query', 'key', 'value'].map((name) => plain.dense(w, name, x));
      const normedQuery = tf.reshape(plain.rms(w, 'query_norm', rows(query!)), query!.shape);
      const normedKey = tf.reshape(plain.rms(w, 'key_norm', rows(key!)), key!.shape);
      return plain.dense(w, 'output', plain.attend(normedQuery, normedKey, value!, rotary));
    },
    plainRope(HEAD_DIM),
  );
}

/** Two heads of one layer for query, key and value, of which the first `rotated` features turn. */
function ofFused(order: FusedOrder, rotated: number): Case {
  const projection = fusedHeads(layer('fused', HIDDEN, 3 * HIDDEN, true), 2, order);
  const output = layer('output', HIDDEN, HIDDEN);
  return ofModule(
    attention({ projection, output, heads: 2, kvHeads: 2, headDim: HEAD_DIM }),
    (w, x) => {
      const split = order === 'by-kind' ? (all: tf.Tensor) => tf.split(all, 3, 1) : splitByHead;
      const [query, key, value] = split(plain.dense(w, 'fused', x));
      const shape = { ...attentionShape, rope: plain.frequencies(rotated) };
      return plain.dense(w, 'output', plain.attend(query!, key!, value!, shape));
    },
    rotated === 0 ? null : plainRope(rotated),
  );
}

/** Queries, keys and values of a fused layer that has them head by head. */
function splitByHead(fused: tf.Tensor): tf.Tensor[] {
  const kinds = tf.split(tf.reshape(fused, [BATCH * LENGTH, 2, 3, HEAD_DIM]), 3, 2);
  return kinds.map((kind) => tf.reshape(kind, [BATCH * LENGTH, HIDDEN]));
}

const swiglu = (w: Weights, [gate, up, down]: readonly [string, string, string], x: tf.Tensor) =>
  plain.dense(w, down, tf.mul(plain.silu(plain.dense(w, gate, x)), plain.dense(w, up, x)));

function ofMlp(activation: Module, same: (x: tf.Tensor) => tf.Tensor): Case {
  return ofModule(
    mlp(layer('up', HIDDEN, MLP_SIZE, true), activation, layer('down', MLP_SIZE, HIDDEN, true)),
    (w, x) => plain.dense(w, 'down', same(plain.dense(w, 'up', x))),
  );
}

const ofGatedMlp = (bias: boolean) =>
  ofModule(
    gatedMlp({
      gate: layer('gate', HIDDEN, MLP_SIZE, bias),
      activation: silu,
      up: layer('up', HIDDEN, MLP_SIZE, bias),
      down: layer('down', MLP_SIZE, HIDDEN, bias),
    }),
    (w, x) => swiglu(w, ['gate', 'up', 'down'], x),
  );

const table = embedding('table', VOCABULARY, HIDDEN);
const plainTable = (w: Weights) => plain.rowsOf(w.get('table')!, ids);

function plainHead(norm: string, weight: string, logitCap: number | null = null): PlainModule {
  return (w, x) => {
    const hidden = plain.rowsOf(plain.rms(w, norm, x), targets.rows);
    const logits = tf.matMul(hidden, w.get(weight)!, false, true);
    return plain.logpsOf(logitCap === null ? logits : plain.capped(logits, logitCap), targets.labels);
  };
}

const ofPlainHead = (targetsPerChunk: number, logitCap: number | null) =>
  ofHead(
    head(
      rmsNorm('norm', HIDDEN, 1e-5),
      { name: 'vocabulary', shape: [VOCABULARY, HIDDEN] },
      { targetsPerChunk, logitCap },
    ),
    plainHead('norm', 'vocabulary', logitCap),
  );

const sizes = {
  vocab_size: VOCABULARY,
  hidden_size: HIDDEN,
  num_hidden_layers: 1,
  intermediate_size: MLP_SIZE,
  max_position_embeddings: LENGTH,
};

const smallLlama = (tied: boolean) =>
  llama
    .read({
      ...sizes,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: HEAD_DIM,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: tied,
    })
    .build(linear);

/** h = x + attention(norm(x)), y = h + mlp(norm(h)) */
const llamaBlock: PlainModule = (w, x) => {
  const prefix = 'model.layers.0';
  const normed = plain.rms(w, `${prefix}.input_layernorm`, x);
  const project = (part: string) => plain.dense(w, `${prefix}.self_attn.${part}_proj`, normed);
  const context = plain.attend(project('q'), project('k'), project('v'), rotary);
  const h = tf.add(x, plain.dense(w, `${prefix}.self_attn.o_proj`, context));
  const parts = [`${prefix}.mlp.gate_proj`, `${prefix}.mlp.up_proj`, `${prefix}.mlp.down_proj`] as const;
  return tf.add(h, swiglu(w, parts, plain.rms(w, `${prefix}.post_attention_layernorm`, h)));
};

const ofLlama = (tied: boolean) =>
  ofModel(smallLlama(tied), (w) => {
    const tokens = plain.rowsOf(w.get('model.embed_tokens.weight')!, ids);
    const weight = tied ? 'model.embed_tokens.weight' : 'lm_head.weight';
    return plainHead('model.norm', weight)(w, llamaBlock(w, tokens));
  });

const smallNeox = (parallel: boolean) =>
  gptNeox
    .read({ ...sizes, num_attention_heads: 2, rotary_pct: 0.5, use_parallel_residual: parallel })
    .build(linear);

/** y = x + attention(norm(x)) + mlp(norm′(x)); or the mlp of what the attention made, as in Llama. */
const neoxBlock: (parallel: boolean) => PlainModule = (parallel) => (w, x) => {
  const prefix = 'gpt_neox.layers.0';
  const normed = plain.layerNormalized(w, `${prefix}.input_layernorm`, x);
  const [query, key, value] = splitByHead(plain.dense(w, `${prefix}.attention.query_key_value`, normed));
  const shape = { ...attentionShape, rope: plain.frequencies(HEAD_DIM / 2) };
  const context = plain.attend(query!, key!, value!, shape);
  const h = tf.add(x, plain.dense(w, `${prefix}.attention.dense`, context));
  const mlpInput = plain.layerNormalized(w, `${prefix}.post_attention_layernorm`, parallel ? x : h);
  const up = plain.dense(w, `${prefix}.mlp.dense_h_to_4h`, mlpInput);
  return tf.add(h, plain.dense(w, `${prefix}.mlp.dense_4h_to_h`, plain.geluErf(up)));
};

const ofBlock = ({ blocks, rope: turning }: Architecture, same: PlainModule) =>
  ofModule(blocks[0]!, same, turning);

const cases: Record<string, Case> = {
  RMSNorm: ofModule(rmsNorm('norm', HIDDEN, 1e-5), (w, x) => plain.rms(w, 'norm', x)),
  'RMSNorm with factors around 1': ofModule(rmsNorm('norm', HIDDEN, 1e-5, { unitOffset: true }), (w, x) =>
    tf.mul(plain.rmsNormalized(x), tf.add(1, w.get('norm.weight')!)),
  ),
  LayerNorm: ofModule(layerNorm('norm', HIDDEN, 1e-5), (w, x) => plain.layerNormalized(w, 'norm', x)),

  ...linears('linear', linear),
  ...linears('linear with an adapter', loraLinears(new Set(['layer']), { r: 2, scale: 1.5 }), plainUpdate),

  'rotary positions': ofModule(rotation, turned(plain.frequencies(HIDDEN)), plainRope(HIDDEN)),
  'rotary positions, a part of the features': ofModule(
    rotation,
    turned(plain.frequencies(HEAD_DIM)),
    plainRope(HEAD_DIM),
  ),
  'rotary positions, closer by a factor': ofModule(
    rotation,
    turned(plain.frequencies(HIDDEN).map((frequency) => frequency / 4)),
    plainRope(HIDDEN, { type: 'linear', factor: 4 }),
  ),
  'rotary positions, slowed as in Llama 3.1': ofModule(rotation, turned(slowed), plainRope(HIDDEN, llama3)),

  attention: ofSeparate(2, 2),
  'attention with biases': ofSeparate(4, 2, { bias: true }),
  'attention, two query heads to a key head': ofSeparate(4, 2),
  'attention, one key head': ofSeparate(3, 1),
  'attention with a sliding window': ofSeparate(2, 1, { window: 2 }),
  'attention with bounded scores and a scale of its own': ofSeparate(2, 1, { scale: 0.7, scoreCap: 0.8 }),
  'attention with norms of queries and keys': normedAttention(),
  'attention with one fused layer, by kind': ofFused('by-kind', 0),
  'attention with one fused layer, by head': ofFused('by-head', 0),
  'attention that turns a part of the features': ofFused('by-head', 2),

  'gated MLP': ofGatedMlp(false),
  'gated MLP with biases': ofGatedMlp(true),
  'MLP, silu': ofMlp(silu, plain.silu),
  'MLP, gelu': ofMlp(gelu, plain.geluErf),
  'MLP, geluTanh': ofMlp(geluTanh, plain.geluTanh),

  embedding: ofEmbedding(table, plainTable),
  'embedding times a constant': ofEmbedding(scaledEmbedding(table, 3), (w) => tf.mul(3, plainTable(w))),
  'embedding with learned positions': ofEmbedding(withPositions(table, 'positions', 7), (w) => {
    const positions = Int32Array.from(ids, (_, token) => token % LENGTH);
    return tf.add(plainTable(w), plain.rowsOf(w.get('positions')!, positions));
  }),

  head: ofPlainHead(100, null),
  'head in chunks': ofPlainHead(4, null),
  'head with bounded logits': ofPlainHead(100, 1.5),
  'head with bounded logits, in chunks': ofPlainHead(4, 1.5),

  'Llama block': ofBlock(smallLlama(true), llamaBlock),
  'GPT-NeoX block': ofBlock(smallNeox(true), neoxBlock(true)),
  'GPT-NeoX block, one part after the other': ofBlock(smallNeox(false), neoxBlock(false)),
  'Llama with tied embeddings': ofLlama(true),
  'Llama with a head of its own': ofLlama(false),
};

describe('the forward and backward of every layer equal automatic differentiation of the same layer', () => {
  for (const [name, { specs, explicit, plain: same }] of Object.entries(cases)) {
    test(name, (t) => {
      const random = testRandom(t);
      const values = randomValues(specs, random);
      const expected = plain.differentiate(same, specs, values, (length) => random.floats(length));
      const found = explicit(values, expected.outputGradient);
      assertClose('output', found.output, expected.output);
      assert.deepEqual([...found.gradients.keys()].sort(), [...values.keys()].sort());
      for (const [of, gradient] of expected.gradients) {
        assertClose(`gradient of ${of}`, found.gradients.get(of)!, gradient);
      }
    });
  }
});

function assertClose(what: string, found: Float32Array, expected: Float32Array): void {
  assert.equal(found.length, expected.length, what);
  expected.forEach((value, index) => {
    const error = Math.abs(found[index]! - value);
    assert.ok(
      error <= 1e-5 + 1e-4 * Math.abs(value),
      `${what}, element ${index}: ${found[index]!}, by automatic differentiation ${value}`,
    );
  });
}
