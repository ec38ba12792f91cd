import { z } from 'zod';

import { activations, type ActivationName } from '../activation.js';
import type { Architecture } from '../architecture.js';
import { attention } from '../attention.js';
import { parallelBlock, preNormBlock } from '../block.js';
import { embedding } from '../embedding.js';
import { head } from '../head.js';
import { fusedHeads } from '../heads.js';
import { layerNorm } from '../layer-norm.js';
import type { Linear, LinearFactory } from '../linear.js';
import { mlp } from '../mlp.js';
import { rope } from '../rope.js';
import { activationName, epsilon, readRope, ropeKeys, size, type RopeOfConfig } from './config-keys.js';
import { defineFamily, HEAD_WEIGHT } from './family.js';

interface GptNeoxConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly layerNormEpsilon: number;
  readonly rope: RopeOfConfig;
  /** Features of each head that turn. */
  readonly rotated: number;
  /** Of query, key, value and output; the MLP has biases always. */
  readonly attentionBias: boolean;
  readonly parallelResidual: boolean;
  readonly tiedEmbeddings: boolean;
}

const gptNeoxSchema = z
  .looseObject({
    vocab_size: size,
    hidden_size: size,
    num_hidden_layers: size,
    num_attention_heads: size,
    intermediate_size: size,
    hidden_act: activationName.default('gelu'),
    layer_norm_eps: epsilon.default(1e-5),
    ...ropeKeys,
    rotary_pct: z.number().positive().max(1).default(0.25),
    rotary_emb_base: z.number().positive().nullish(),
    attention_bias: z.boolean().default(true),
    use_parallel_residual: z.boolean().default(true),
    tie_word_embeddings: z.boolean().default(false),
  })
  .transform((json): GptNeoxConfig => {
    const rope = readRope({ ...json, rope_theta: json.rotary_emb_base ?? json.rope_theta });
    const share = rope.rotatedShare ?? json.rotary_pct;
    return {
      vocabSize: json.vocab_size,
      hiddenSize: json.hidden_size,
      layers: json.num_hidden_layers,
      heads: json.num_attention_heads,
      intermediateSize: json.intermediate_size,
      activation: json.hidden_act,
      layerNormEpsilon: json.layer_norm_eps,
      rope,
      rotated: Math.trunc((json.hidden_size / json.num_attention_heads) * share),
      attentionBias: json.attention_bias,
      parallelResidual: json.use_parallel_residual,
      tiedEmbeddings: json.tie_word_embeddings,
    };
  })
  .refine(({ hiddenSize, heads }) => hiddenSize % heads === 0, {
    error: 'hidden_size must be a multiple of num_attention_heads',
  })
  .refine(({ rotated }) => rotated > 0 && rotated % 2 === 0, {
    error: 'rotary_pct must make an even number of the features of a head turn',
  });

const EMBEDDING = 'gpt_neox.embed_in.weight';

/** GPT-NeoX and Pythia: both parts of a layer in parallel, a quarter of the features rotary. Black et al. 2022, arXiv:2204.06745. */
function build(config: GptNeoxConfig, linear: LinearFactory): Architecture {
  const { vocabSize, hiddenSize, heads, intermediateSize, layerNormEpsilon, attentionBias } = config;
  const layer = (name: string, inputs: number, outputs: number, bias = true): Linear =>
    linear({ name, inputs, outputs, bias, storage: 'outputs-first' });
  const norm = (name: string) => layerNorm(name, hiddenSize, layerNormEpsilon);
  const joined = config.parallelResidual ? parallelBlock : preNormBlock;

  const block = (prefix: string) =>
    joined({
      attentionNorm: norm(`${prefix}.input_layernorm`),
      attention: attention({
        projection: fusedHeads(
          layer(`${prefix}.attention.query_key_value`, hiddenSize, 3 * hiddenSize, attentionBias),
          heads,
          'by-head',
        ),
        output: layer(`${prefix}.attention.dense`, hiddenSize, hiddenSize, attentionBias),
        heads,
        kvHeads: heads,
        headDim: hiddenSize / heads,
      }),
      mlpNorm: norm(`${prefix}.post_attention_layernorm`),
      mlp: mlp(
        layer(`${prefix}.mlp.dense_h_to_4h`, hiddenSize, intermediateSize),
        activations[config.activation],
        layer(`${prefix}.mlp.dense_4h_to_h`, intermediateSize, hiddenSize),
      ),
    });

  return {
    vocabSize,
    maxLength: config.rope.maxLength,
    rope: rope(config.rotated, config.rope),
    windows: [null],
    embedding: embedding(EMBEDDING, vocabSize, hiddenSize),
    blocks: Array.from({ length: config.layers }, (_, index) => block(`gpt_neox.layers.${index}`)),
    head: head(norm('gpt_neox.final_layer_norm'), {
      name: config.tiedEmbeddings ? EMBEDDING : HEAD_WEIGHT,
      shape: [vocabSize, hiddenSize],
    }),
  };
}

export const gptNeox = defineFamily({
  schema: gptNeoxSchema,
  build,
  prefix: 'gpt_neox.',
  aliases: { [HEAD_WEIGHT]: 'embed_out.weight' },
  buffers: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
});
