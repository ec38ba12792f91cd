import { z } from 'zod';

import { activations, type ActivationName } from '../activation.js';
import type { Architecture } from '../architecture.js';
import { attention, type AttentionParts } from '../attention.js';
import { preNormBlock } from '../block.js';
import { embedding } from '../embedding.js';
import { head } from '../head.js';
import { normedHeads, separateHeads } from '../heads.js';
import type { Linear, LinearFactory } from '../linear.js';
import { gatedMlp } from '../mlp.js';
import type { Module } from '../module.js';
import { rmsNorm } from '../rms-norm.js';
import { rope } from '../rope.js';
import { activationName, epsilon, readRope, ropeKeys, size, type RopeOfConfig } from './config-keys.js';
import { HEAD_WEIGHT } from './family.js';

/**
 * The decoder that Llama began and others follow: RMSNorm, rotary positions, grouped queries, a gated MLP, and its names
 * of tensors and config keys. What a family does otherwise stands in its own file.
 */
export interface DecoderConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly rmsNormEpsilon: number;
  readonly rope: RopeOfConfig;
  /** Whether the embedding's weight is also the head's. */
  readonly tiedEmbeddings: boolean;
  readonly bias: { readonly queryKeyValue: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Whether each query and key is normalized before it is rotated. */
  readonly queryKeyNorm: boolean;
  /** Of each layer: how many keys a query sees, null for all. */
  readonly windows: readonly (number | null)[];
}

export const decoderKeys = {
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  hidden_act: activationName.default('silu'),
  rms_norm_eps: epsilon.default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  ...ropeKeys,
};

type DecoderKeys = z.infer<z.ZodObject<typeof decoderKeys>>;

/** What the keys say, for a family without biases, norms of queries, or windows. */
export function readDecoder(json: DecoderKeys): DecoderConfig {
  const layers = json.num_hidden_layers;
  return {
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    layers,
    heads: json.num_attention_heads,
    kvHeads: json.num_key_value_heads ?? json.num_attention_heads,
    headDim: json.head_dim ?? json.hidden_size / json.num_attention_heads,
    intermediateSize: json.intermediate_size,
    activation: json.hidden_act,
    rmsNormEpsilon: json.rms_norm_eps,
    rope: readRope(json),
    tiedEmbeddings: json.tie_word_embeddings,
    bias: { queryKeyValue: false, output: false, mlp: false },
    queryKeyNorm: false,
    windows: Array.from({ length: layers }, () => null),
  };
}

/** For `superRefine`: heads that can be formed, and that turn whole. */
export function checkHeads({ headDim, heads, kvHeads, rope }: DecoderConfig, context: z.RefinementCtx): void {
  if ((rope.rotatedShare ?? 1) !== 1) {
    context.addIssue('partial_rotary_factor is not supported in this architecture');
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    context.addIssue('hidden_size / num_attention_heads (or head_dim) must be an even whole number');
  }
  if (heads % kvHeads !== 0) {
    context.addIssue('num_attention_heads must be a multiple of num_key_value_heads');
  }
}

const EMBEDDING = 'model.embed_tokens.weight';

export interface DecoderFrame extends Pick<Architecture, 'embedding' | 'head'> {
  readonly block: (prefix: string, layer: number) => Module;
}

/** Llama's decoder, with what the config changes in it. */
export function decoder(config: DecoderConfig, linear: LinearFactory): Architecture {
  const norm = (name: string) => rmsNorm(name, config.hiddenSize, config.rmsNormEpsilon);
  return assemble(config, {
    embedding: tokenEmbedding(config),
    head: head(norm('model.norm'), headWeight(config)),
    block: (prefix, layer) =>
      preNormBlock({
        attentionNorm: norm(`${prefix}.input_layernorm`),
        attention: decoderAttention(prefix, config, linear, { window: config.windows[layer]! }),
        mlpNorm: norm(`${prefix}.post_attention_layernorm`),
        mlp: decoderMlp(prefix, config, linear),
      }),
  });
}

export function assemble(config: DecoderConfig, { embedding, head, block }: DecoderFrame): Architecture {
  return {
    vocabSize: config.vocabSize,
    maxLength: config.rope.maxLength,
    rope: rope(config.headDim, config.rope),
    windows: [...new Set(config.windows)],
    embedding,
    blocks: Array.from({ length: config.layers }, (_, layer) => block(`model.layers.${layer}`, layer)),
    head,
  };
}

export function tokenEmbedding({ vocabSize, hiddenSize }: DecoderConfig) {
  return embedding(EMBEDDING, vocabSize, hiddenSize);
}

export function headWeight({ tiedEmbeddings, vocabSize, hiddenSize }: DecoderConfig) {
  return { name: tiedEmbeddings ? EMBEDDING : HEAD_WEIGHT, shape: [vocabSize, hiddenSize] };
}

export function decoderAttention(
  prefix: string,
  config: DecoderConfig,
  linear: LinearFactory,
  options: Pick<AttentionParts<unknown>, 'window' | 'scale' | 'scoreCap'>,
): Module {
  const { hiddenSize, heads, kvHeads, headDim, bias, rmsNormEpsilon } = config;
  const named = (part: string, inputs: number, outputs: number, hasBias: boolean): Linear =>
    linear({ name: `${prefix}.self_attn.${part}`, inputs, outputs, bias: hasBias, storage: 'outputs-first' });
  const norm = (part: string) => rmsNorm(`${prefix}.self_attn.${part}`, headDim, rmsNormEpsilon);
  const separate = separateHeads({
    query: named('q_proj', hiddenSize, heads * headDim, bias.queryKeyValue),
    key: named('k_proj', hiddenSize, kvHeads * headDim, bias.queryKeyValue),
    value: named('v_proj', hiddenSize, kvHeads * headDim, bias.queryKeyValue),
    heads,
    kvHeads,
  });
  const output = named('o_proj', heads * headDim, hiddenSize, bias.output);
  const shape = { output, heads, kvHeads, headDim, ...options };
  return config.queryKeyNorm
    ? attention({ projection: normedHeads(separate, norm('q_norm'), norm('k_norm')), ...shape })
    : attention({ projection: separate, ...shape });
}

export function decoderMlp(prefix: string, config: DecoderConfig, linear: LinearFactory): Module {
  const { hiddenSize, intermediateSize, bias } = config;
  const named = (part: string, inputs: number, outputs: number): Linear =>
    linear({ name: `${prefix}.mlp.${part}`, inputs, outputs, bias: bias.mlp, storage: 'outputs-first' });
  return gatedMlp({
    gate: named('gate_proj', hiddenSize, intermediateSize),
    activation: activations[config.activation],
    up: named('up_proj', hiddenSize, intermediateSize),
    down: named('down_proj', intermediateSize, hiddenSize),
  });
}

/** What decoders of this kind say of their files. */
export const decoderFiles = { prefix: 'model.', buffers: /\.rotary_emb\.inv_freq$/ };
