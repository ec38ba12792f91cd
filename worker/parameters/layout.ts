/**
 * The flat parameter space: all trainable tensors one after the other, in the sorted order of their Hugging Face names.
 *
 * Its coordinates ("offsets", in float32 elements) are the same on every worker. Each tensor starts on a 64-byte
 * boundary, so that TensorFlow can use it where it lies; the gaps are zero in weights and gradients alike. The space is
 * held in segments, cut at tensor boundaries on the block grid, because one SharedArrayBuffer has a limited size.
 */

/** Elements per block: sums over parameters are taken per block, then over the blocks in order (DESIGN section 2). */
export const BLOCK_SIZE = 8192;

/** A SharedArrayBuffer ends near 16 GiB, a WebAssembly memory at 4 GiB: segments stay well below both. */
const MAX_SEGMENT_ELEMENTS = 2 ** 28;

const TENSOR_ALIGNMENT = 16;

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface TensorPlace extends TensorSpec {
  /** First element in the flat space. */
  readonly offset: number;
  readonly size: number;
}

/** Elements [start, end) of the flat space. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface ParameterLayout {
  /** In flat order. */
  readonly tensors: readonly TensorPlace[];
  /** Contiguous, on the block grid. */
  readonly segments: readonly Range[];
  /** End of the space, on the block grid. */
  readonly size: number;
  /** Trainable parameters, without the gaps. */
  readonly parameterCount: number;
}

const alignUp = (value: number, to: number) => Math.ceil(value / to) * to;

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Lays out `specs`. The order of the input does not matter. */
export function layOut(specs: readonly TensorSpec[]): ParameterLayout {
  const sorted = [...specs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const tensors: TensorPlace[] = [];
  const segments: Range[] = [];
  let segmentStart = 0;
  let offset = 0;
  for (const { name, shape } of sorted) {
    const size = elementCount(shape);
    const end = alignUp(offset, TENSOR_ALIGNMENT) + size;
    if (end - segmentStart > MAX_SEGMENT_ELEMENTS && offset > segmentStart) {
      const cut = alignUp(offset, BLOCK_SIZE);
      segments.push({ start: segmentStart, end: cut });
      segmentStart = cut;
      offset = cut;
    }
    offset = alignUp(offset, TENSOR_ALIGNMENT);
    tensors.push({ name, shape, offset, size });
    offset += size;
  }
  const size = alignUp(offset, BLOCK_SIZE);
  segments.push({ start: segmentStart, end: size });
  const parameterCount = tensors.reduce((sum, tensor) => sum + tensor.size, 0);
  return { tensors, segments, size, parameterCount };
}

/** What two ranges have in common; empty where that is nothing. */
export function intersect(a: Range, b: Range): Range {
  const start = Math.max(a.start, b.start);
  return { start, end: Math.max(start, Math.min(a.end, b.end)) };
}

/** One of `count` pieces of a range on the block grid: whole blocks, as even as they come. May be empty. */
export function evenPiece({ start, end }: Range, index: number, count: number): Range {
  const blocks = (end - start) / BLOCK_SIZE;
  const edge = (piece: number) => start + Math.floor((blocks * piece) / count) * BLOCK_SIZE;
  return { start: edge(index), end: edge(index + 1) };
}

/** The part of the space that `rank` owns. May be empty. */
export function ownedRange(layout: ParameterLayout, rank: number, worldSize: number): Range {
  return evenPiece({ start: 0, end: layout.size }, rank, worldSize);
}
