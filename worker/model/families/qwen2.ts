import { z } from 'zod';

import { readQwenWindows, qwenWindowKeys } from './qwen-windows.js';
import { checkHeads, decoder, decoderFiles, decoderKeys, readDecoder } from './decoder.js';
import { defineFamily } from './family.js';

/** Qwen 2 and 2.5: biases of query, key and value. Yang et al. 2024, arXiv:2407.10671, 2412.15115. */
export const qwen2Schema = z
  .looseObject({ ...decoderKeys, ...qwenWindowKeys })
  .transform((json) => ({
    ...readDecoder(json),
    bias: { queryKeyValue: true, output: false, mlp: false },
    windows: readQwenWindows(json),
  }))
  .superRefine(checkHeads);

export const qwen2 = defineFamily({ schema: qwen2Schema, build: decoder, ...decoderFiles });
