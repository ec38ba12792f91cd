import { z } from 'zod';

import { layerWindows, size, windowKeys } from './config-keys.js';

/** Qwen 2 and 3: the layers from `max_window_layers` on see a window, where `use_sliding_window` says so. */
export const qwenWindowKeys = {
  ...windowKeys,
  sliding_window: size.nullable().default(4096),
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.int().nonnegative().default(28),
};

type QwenWindowKeys = z.infer<z.ZodObject<typeof qwenWindowKeys>> & { readonly num_hidden_layers: number };

export function readQwenWindows(json: QwenWindowKeys): (number | null)[] {
  return layerWindows({
    layers: json.num_hidden_layers,
    window: json.use_sliding_window ? json.sliding_window : null,
    layerTypes: json.layer_types,
    slides: (layer) => layer >= json.max_window_layers,
  });
}
