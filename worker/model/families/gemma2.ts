import { z } from 'zod';

import type { Architecture } from '../architecture.js';
import { chain, residual } from '../compose.js';
import { scaledEmbedding } from '../embedding.js';
import { head } from '../head.js';
import type { LinearFactory } from '../linear.js';
import { rmsNorm } from '../rms-norm.js';
import { activationName, layerWindows, size, windowKeys } from './config-keys.js';
import {
  assemble,
  checkHeads,
  decoderAttention,
  decoderFiles,
  decoderKeys,
  decoderMlp,
  headWeight,
  readDecoder,
  tokenEmbedding,
  type DecoderConfig,
} from './decoder.js';
import { defineFamily } from './family.js';

interface Gemma2Config extends DecoderConfig {
  /** Of the products of queries and keys. */
  readonly attentionScale: number;
  readonly scoreCap: number | null;
  readonly logitCap: number | null;
}

const cap = z.number().positive().nullable();

const gemma2Schema = z
  .looseObject({
    ...decoderKeys,
    ...windowKeys,
    sliding_window: size.nullable().default(4096),
    head_dim: size.default(256),
    hidden_activation: activationName.default('gelu_pytorch_tanh'),
    attention_bias: z.boolean().default(false),
    tie_word_embeddings: z.boolean().default(true),
    query_pre_attn_scalar: z.number().positive().default(256),
    attn_logit_softcapping: cap.default(50),
    final_logit_softcapping: cap.default(30),
    use_bidirectional_attention: z.literal(false).nullish(),
  })
  .transform((json): Gemma2Config => ({
    ...readDecoder(json),
    activation: json.hidden_activation,
    bias: { queryKeyValue: json.attention_bias, output: json.attention_bias, mlp: false },
    windows: layerWindows({
      layers: json.num_hidden_layers,
      window: json.sliding_window,
      layerTypes: json.layer_types,
      slides: (layer) => layer % 2 === 0,
    }),
    attentionScale: json.query_pre_attn_scalar ** -0.5,
    scoreCap: json.attn_logit_softcapping,
    logitCap: json.final_logit_softcapping,
  }))
  .superRefine(checkHeads);

/** Norms before and after each part, bounded scores and logits, windows in every other layer: arXiv:2408.00118. */
function build(config: Gemma2Config, linear: LinearFactory): Architecture {
  const { hiddenSize, rmsNormEpsilon, attentionScale, scoreCap, logitCap } = config;
  const norm = (name: string) => rmsNorm(name, hiddenSize, rmsNormEpsilon, { unitOffset: true });
  return assemble(config, {
    embedding: scaledEmbedding(tokenEmbedding(config), Math.sqrt(hiddenSize)),
    head: head(norm('model.norm'), headWeight(config), { logitCap }),
    block(prefix, layer) {
      const options = { window: config.windows[layer]!, scale: attentionScale, scoreCap };
      return chain(
        residual(
          chain(
            norm(`${prefix}.input_layernorm`),
            decoderAttention(prefix, config, linear, options),
            norm(`${prefix}.post_attention_layernorm`),
          ),
        ),
        residual(
          chain(
            norm(`${prefix}.pre_feedforward_layernorm`),
            decoderMlp(prefix, config, linear),
            norm(`${prefix}.post_feedforward_layernorm`),
          ),
        ),
      );
    },
  });
}

export const gemma2 = defineFamily({ schema: gemma2Schema, build, ...decoderFiles });
