import { floats, type Tensor } from '../tensorflow/tensor.js';

/**
 * What is added to attention scores, [length, length]: 0 where the query (row) may see the key (column), −∞ elsewhere.
 * No query sees a later key, and with a sliding window only the last `window` keys, its own among them. So padding, which
 * stands on the right, is seen by no token, and no row is all −∞, not even a padding token's.
 */
export function attentionMask(length: number, window: number | null): Tensor {
  const mask = new Float32Array(length * length).fill(-Infinity);
  for (let query = 0; query < length; query += 1) {
    const first = window === null ? 0 : Math.max(0, query - window + 1);
    mask.fill(0, query * length + first, query * length + query + 1);
  }
  return floats([length, length], mask);
}
