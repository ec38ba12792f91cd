import { z } from 'zod';

import { size } from './config-keys.js';
import { checkHeads, decoder, decoderFiles, decoderKeys, readDecoder } from './decoder.js';
import { defineFamily } from './family.js';

/** Mistral: every layer sees a sliding window, or none does. Jiang et al. 2023, arXiv:2310.06825. */
export const mistralSchema = z
  .looseObject({ ...decoderKeys, sliding_window: size.nullable().default(4096) })
  .transform((json) => ({
    ...readDecoder(json),
    windows: Array.from({ length: json.num_hidden_layers }, () => json.sliding_window),
  }))
  .superRefine(checkHeads);

export const mistral = defineFamily({ schema: mistralSchema, build: decoder, ...decoderFiles });
