import { z } from 'zod';

import type { Architecture } from './architecture.js';
import { attention } from './attention.js';
import { preNormBlock } from './block.js';
import { embedding } from './embedding.js';
import { head } from './head.js';
import { rmsNorm } from './rms-norm.js';
import { rope } from './rope.js';
import { swiglu } from './swiglu.js';

export interface LlamaConfig {
  readonly architecture: 'LlamaForCausalLM';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  /** Whether the embedding's weight is also the head's. */
  readonly tiedEmbeddings: boolean;
}

const size = z.int().positive();

/** Only the default way to scale RoPE: the others change the angles. */
const plainRope = z.literal('default', { error: 'this RoPE scaling is not supported, only "default" is' });

const schema = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  hidden_act: z.literal('silu').default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.looseObject({ rope_type: plainRope.optional(), type: plainRope.optional() }).nullish(),
  rope_parameters: z
    .looseObject({ rope_type: plainRope.optional(), rope_theta: z.number().positive().optional() })
    .nullish(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});

/**
 * Reads a parsed `config.json`, of either style (`rope_theta`, or `rope_parameters` since transformers 5), with the
 * defaults of `transformers`.
 *
 * @throws z.ZodError where a key is missing, impossible or asks for what is not supported.
 */
export const llamaConfigSchema = schema
  .transform((json): LlamaConfig => ({
    architecture: 'LlamaForCausalLM',
    vocabSize: json.vocab_size,
    hiddenSize: json.hidden_size,
    layers: json.num_hidden_layers,
    heads: json.num_attention_heads,
    kvHeads: json.num_key_value_heads ?? json.num_attention_heads,
    headDim: json.head_dim ?? json.hidden_size / json.num_attention_heads,
    intermediateSize: json.intermediate_size,
    rmsNormEpsilon: json.rms_norm_eps,
    ropeTheta: json.rope_parameters?.rope_theta ?? json.rope_theta ?? 10_000,
    attentionBias: json.attention_bias,
    mlpBias: json.mlp_bias,
    tiedEmbeddings: json.tie_word_embeddings,
  }))
  .refine(({ headDim }) => Number.isInteger(headDim) && headDim % 2 === 0, {
    error: 'hidden_size / num_attention_heads (or head_dim) must be an even whole number',
  })
  .refine(({ heads, kvHeads }) => heads % kvHeads === 0, {
    error: 'num_attention_heads must be a multiple of num_key_value_heads',
  });

/** Llama 1 and 2, and models of their shape (TinyLlama, SmolLM): Touvron et al. 2023, arXiv:2302.13971, 2307.09288. */
export function llama(config: LlamaConfig): Architecture {
  const { vocabSize, hiddenSize, rmsNormEpsilon } = config;
  const embeddingName = 'model.embed_tokens.weight';
  const headName = config.tiedEmbeddings ? embeddingName : 'lm_head.weight';
  const block = (prefix: string) =>
    preNormBlock({
      attentionNorm: rmsNorm(`${prefix}.input_layernorm`, hiddenSize, rmsNormEpsilon),
      attention: attention(`${prefix}.self_attn`, { ...config, bias: config.attentionBias }),
      mlpNorm: rmsNorm(`${prefix}.post_attention_layernorm`, hiddenSize, rmsNormEpsilon),
      mlp: swiglu(`${prefix}.mlp`, hiddenSize, config.intermediateSize, config.mlpBias),
    });
  return {
    vocabSize,
    rope: rope(config.headDim, config.ropeTheta),
    embedding: embedding(embeddingName, vocabSize, hiddenSize),
    blocks: Array.from({ length: config.layers }, (_, layer) => block(`model.layers.${layer}`)),
    head: head(rmsNorm('model.norm', hiddenSize, rmsNormEpsilon), {
      name: headName,
      shape: [vocabSize, hiddenSize],
    }),
  };
}

/** Tensors that some files hold beside the parameters: buffers of old versions, and a second copy of a tied weight. */
export function isRedundantInLlama(name: string, config: LlamaConfig): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (config.tiedEmbeddings && name === 'lm_head.weight');
}
