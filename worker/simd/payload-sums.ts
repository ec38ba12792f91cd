import {
  addLong2,
  assemble,
  forEach,
  get,
  kernel,
  load4,
  lowerLong2,
  set,
  store4,
  upperLong2,
} from './assembler.js';
import { allocateMemory, compile, instantiate } from './web-assembly.js';

/** Comes in by blocks of this size, which stay in the cache. */
const BLOCK_BYTES = 65536;

/** Eight 32-bit words, each of which is added up for itself. */
const STRIDE_BYTES = 32;

/** For each of the eight the sum and the sum of the sums, of 64 bits. */
export const SUMS_BYTES = 128;

/**
 * Sums of the words w of each of eight columns, first to last: s += w, and t += s. Both are exact in 64 bits for what is
 * summed at once, so they differ wherever one or two words of a column do, or two change places.
 */
const sums = kernel(
  'sums',
  ['sums', 'from', 'end'],
  ({ sums: at, from, end }, vectors) => {
    const [word, ...kept] = vectors as [(typeof vectors)[number], ...typeof vectors];
    const add = (sum: number, more: readonly number[]) => [
      ...set(kept[sum]!, addLong2(get(kept[sum]!), more)),
      ...set(kept[sum + 1]!, addLong2(get(kept[sum + 1]!), get(kept[sum]!))),
    ];
    return [
      ...kept.flatMap((sum, index) => set(sum, load4(at, 16 * index))),
      ...forEach(
        [from],
        STRIDE_BYTES,
        end,
        [0, 1].flatMap((half) => [
          ...set(word, load4(from, 16 * half)),
          ...add(4 * half, lowerLong2(word)),
          ...add(4 * half + 2, upperLong2(word)),
        ]),
      ),
      ...kept.flatMap((sum, index) => store4(at, get(sum), 16 * index)),
    ];
  },
  1 + SUMS_BYTES / 16,
);

const memory = allocateMemory(BLOCK_BYTES + SUMS_BYTES);
const summing = instantiate(compile(assemble([sums])), memory)['sums']!;
const block = new Uint8Array(memory.buffer, 0, BLOCK_BYTES);
const summed = new Uint8Array(memory.buffer, BLOCK_BYTES, SUMS_BYTES);

/** The sums of at most a megabyte, which zeros fill up to whole strides. Good until the next call. */
export function payloadSums(payload: Uint8Array): Uint8Array {
  summed.fill(0);
  for (let start = 0; start < payload.byteLength; start += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, payload.byteLength - start);
    const end = Math.ceil(length / STRIDE_BYTES) * STRIDE_BYTES;
    block.set(payload.subarray(start, start + length));
    block.fill(0, length, end);
    summing(BLOCK_BYTES, 0, end);
  }
  return summed;
}
