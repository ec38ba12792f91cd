import { z } from 'zod';

import { activations, type ActivationName } from '../activation.js';
import type { Architecture } from '../architecture.js';
import { attention } from '../attention.js';
import { preNormBlock } from '../block.js';
import { embedding, withPositions } from '../embedding.js';
import { head } from '../head.js';
import { fusedHeads } from '../heads.js';
import { layerNorm } from '../layer-norm.js';
import type { Linear, LinearFactory } from '../linear.js';
import { mlp } from '../mlp.js';
import { activationName, epsilon, size } from './config-keys.js';
import { defineFamily, HEAD_WEIGHT } from './family.js';

interface Gpt2Config {
  readonly vocabSize: number;
  readonly maxLength: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly layerNormEpsilon: number;
  readonly tiedEmbeddings: boolean;
  /** Whether the scores are divided by √headDim, and by the layer's number from 1. */
  readonly scaleByHeadDim: boolean;
  readonly scaleByLayer: boolean;
}

const gpt2Schema = z
  .looseObject({
    vocab_size: size,
    n_positions: size,
    n_embd: size,
    n_layer: size,
    n_head: size,
    n_inner: size.nullish(),
    activation_function: activationName.default('gelu_new'),
    layer_norm_epsilon: epsilon.default(1e-5),
    tie_word_embeddings: z.boolean().default(true),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    add_cross_attention: z.literal(false).default(false),
  })
  .transform((json): Gpt2Config => ({
    vocabSize: json.vocab_size,
    maxLength: json.n_positions,
    hiddenSize: json.n_embd,
    layers: json.n_layer,
    heads: json.n_head,
    intermediateSize: json.n_inner ?? 4 * json.n_embd,
    activation: json.activation_function,
    layerNormEpsilon: json.layer_norm_epsilon,
    tiedEmbeddings: json.tie_word_embeddings,
    scaleByHeadDim: json.scale_attn_weights,
    scaleByLayer: json.scale_attn_by_inverse_layer_idx,
  }))
  .refine(({ hiddenSize, heads }) => hiddenSize % heads === 0, {
    error: 'n_embd must be a multiple of n_head',
  });

const EMBEDDING = 'transformer.wte.weight';

/** GPT-2: learned positions, biases everywhere, one layer for query, key and value. Radford et al. 2019. */
function build(config: Gpt2Config, linear: LinearFactory): Architecture {
  const { vocabSize, maxLength, hiddenSize, heads, intermediateSize, layerNormEpsilon } = config;
  const headDim = hiddenSize / heads;
  const conv1d = (name: string, inputs: number, outputs: number): Linear =>
    linear({ name, inputs, outputs, bias: true, storage: 'inputs-first' });
  const norm = (name: string) => layerNorm(name, hiddenSize, layerNormEpsilon);

  const block = (prefix: string, layer: number) =>
    preNormBlock({
      attentionNorm: norm(`${prefix}.ln_1`),
      attention: attention({
        projection: fusedHeads(conv1d(`${prefix}.attn.c_attn`, hiddenSize, 3 * hiddenSize), heads, 'by-kind'),
        output: conv1d(`${prefix}.attn.c_proj`, hiddenSize, hiddenSize),
        heads,
        kvHeads: heads,
        headDim,
        scale: (config.scaleByHeadDim ? 1 / Math.sqrt(headDim) : 1) / (config.scaleByLayer ? layer + 1 : 1),
      }),
      mlpNorm: norm(`${prefix}.ln_2`),
      mlp: mlp(
        conv1d(`${prefix}.mlp.c_fc`, hiddenSize, intermediateSize),
        activations[config.activation],
        conv1d(`${prefix}.mlp.c_proj`, intermediateSize, hiddenSize),
      ),
    });

  return {
    vocabSize,
    maxLength,
    rope: null,
    windows: [null],
    embedding: withPositions(
      embedding(EMBEDDING, vocabSize, hiddenSize),
      'transformer.wpe.weight',
      maxLength,
    ),
    blocks: Array.from({ length: config.layers }, (_, layer) => block(`transformer.h.${layer}`, layer)),
    head: head(norm('transformer.ln_f'), {
      name: config.tiedEmbeddings ? EMBEDDING : HEAD_WEIGHT,
      shape: [vocabSize, hiddenSize],
    }),
  };
}

export const gpt2 = defineFamily({
  schema: gpt2Schema,
  build,
  prefix: 'transformer.',
  buffers: /\.attn\.(bias|masked_bias)$/,
});
