import { z } from 'zod';

import { checkHeads, decoder, decoderFiles, decoderKeys, readDecoder } from './decoder.js';
import { defineFamily } from './family.js';

/**
 * Llama 1 to 3, and models of their shape (TinyLlama, SmolLM): Touvron et al. 2023, arXiv:2302.13971, 2307.09288; Grattafiori
 * et al. 2024, arXiv:2407.21783.
 */
export const llamaSchema = z
  .looseObject({
    ...decoderKeys,
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
  })
  .transform((json) => ({
    ...readDecoder(json),
    bias: { queryKeyValue: json.attention_bias, output: json.attention_bias, mlp: json.mlp_bias },
  }))
  .superRefine(checkHeads);

export const llama = defineFamily({ schema: llamaSchema, build: decoder, ...decoderFiles });
