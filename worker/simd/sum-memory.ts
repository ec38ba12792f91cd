import { add4, assemble, forEach, kernel, load4, store4 } from './assembler.js';
import { allocateMemory, compile, instantiate } from './web-assembly.js';

/** Values from another memory come in by blocks of this many elements: 64 KB stay in the cache. */
export const BLOCK_ELEMENTS = 16384;

/** What the kernel takes at a time. */
const STRIDE_ELEMENTS = 16;
const BYTES = Float32Array.BYTES_PER_ELEMENT;

const add = kernel('add', ['into', 'values', 'end'], ({ into, values, end }) =>
  forEach(
    [into, values],
    STRIDE_ELEMENTS * BYTES,
    end,
    [0, 16, 32, 48].flatMap((offset) =>
      store4(into, add4(load4(into, offset), load4(values, offset)), offset),
    ),
  ),
);
const adder = compile(assemble([add]));

/**
 * float32 values in which sums are formed, in memory that threads share and TensorFlow can use in place. WebAssembly adds
 * there, four at a time: with the bits of float32 sums in JavaScript, and about four times as fast.
 */
export class SumMemory {
  readonly values: Float32Array<SharedArrayBuffer>;
  private readonly incoming: Float32Array<SharedArrayBuffer>;
  private readonly add: (into: number, values: number, end: number) => void;

  /** All zeros. At most 2^30 elements, less a block: a WebAssembly memory ends at 4 GiB. */
  constructor(length: number) {
    const end = Math.ceil(length / STRIDE_ELEMENTS) * STRIDE_ELEMENTS;
    const memory = allocateMemory((end + BLOCK_ELEMENTS) * BYTES);
    this.values = new Float32Array(memory.buffer, 0, length);
    this.incoming = new Float32Array(memory.buffer, end * BYTES, BLOCK_ELEMENTS);
    this.add = instantiate(adder, memory)['add']!;
  }

  /** into[i] += values[i]. `into` is a view of this memory; `values`, of equal length, may lie anywhere else. */
  addTo(into: Float32Array, values: Float32Array): void {
    if (into.buffer !== this.values.buffer) throw new RangeError('a sum that lies in another memory');
    if (values.length !== into.length)
      throw new RangeError(`${values.length} values to add to ${into.length}`);
    if (values.buffer === this.values.buffer) this.addHere(into, values);
    else {
      for (let start = 0; start < into.length; start += BLOCK_ELEMENTS) {
        const end = Math.min(start + BLOCK_ELEMENTS, into.length);
        const incoming = this.incoming.subarray(0, end - start);
        incoming.set(values.subarray(start, end));
        this.addHere(into.subarray(start, end), incoming);
      }
    }
  }

  private addHere(into: Float32Array, values: Float32Array): void {
    const whole = into.length - (into.length % STRIDE_ELEMENTS);
    if (whole > 0) this.add(into.byteOffset, values.byteOffset, into.byteOffset + whole * BYTES);
    for (let index = whole; index < into.length; index++) into[index] = into[index]! + values[index]!;
  }
}
