import { z } from 'zod';

import { readQwenWindows, qwenWindowKeys } from './qwen-windows.js';
import { checkHeads, decoder, decoderFiles, decoderKeys, readDecoder } from './decoder.js';
import { defineFamily } from './family.js';
import { size } from './config-keys.js';

/** Qwen 3, dense: norms of queries and keys. Yang et al. 2025, arXiv:2505.09388. */
export const qwen3Schema = z
  .looseObject({
    ...decoderKeys,
    ...qwenWindowKeys,
    head_dim: size.default(128),
    attention_bias: z.boolean().default(false),
  })
  .transform((json) => ({
    ...readDecoder(json),
    bias: { queryKeyValue: json.attention_bias, output: json.attention_bias, mlp: false },
    queryKeyNorm: true,
    windows: readQwenWindows(json),
  }))
  .superRefine(checkHeads);

export const qwen3 = defineFamily({ schema: qwen3Schema, build: decoder, ...decoderFiles });
