import { floats, type Tensor } from '../tensorflow/tensor.js';

/**
 * What is added to attention scores, [length, past + length]: 0 where the query (row) may see the key (column), −∞ elsewhere.
 * No query sees a later key, and with a sliding window only the last `window` keys, its own among them. So padding, which
 * stands on the right, is seen by no token, and no row is all −∞, not even a padding token's.
 *
 * @param length queries
 * @param past keys in front of the first query's own
 */
export function attentionMask(length: number, window: number | null, past = 0): Tensor {
  const keys = past + length;
  const mask = new Float32Array(length * keys).fill(-Infinity);
  for (let query = 0; query < length; query += 1) {
    const own = past + query;
    const first = window === null ? 0 : Math.max(0, own - window + 1);
    mask.fill(0, query * keys + first, query * keys + own + 1);
  }
  return floats([length, keys], mask);
}
