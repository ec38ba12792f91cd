import { floats, type Tensor } from '../tensorflow/tensor.js';

/** 0 where the query (row) may see the key (column), −∞ after it, [length, length]. */
export function causalMask(length: number): Tensor {
  const mask = new Float32Array(length * length);
  for (let query = 0; query < length; query += 1) {
    mask.fill(-Infinity, query * length + query + 1, (query + 1) * length);
  }
  return floats([length, length], mask);
}
