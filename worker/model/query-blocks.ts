import { add, concat, reshape, slice } from '../tensorflow/ops.js';
import type { Tensor } from '../tensorflow/tensor.js';

/** Positions [start, end) of a pass, whose attention is computed together. */
export interface QueryBlock {
  readonly start: number;
  readonly end: number;
}

const BLOCK_LENGTH = 128;

/**
 * Cuts positions into blocks. A block's queries see no key behind the last of them, so of a long sequence's scores nearly the
 * half above the diagonal is neither computed nor kept.
 */
export function queryBlocks(length: number, blockLength = BLOCK_LENGTH): readonly QueryBlock[] {
  const count = Math.max(1, Math.round(length / blockLength));
  const edge = (index: number) => Math.floor((length * index) / count);
  return Array.from({ length: count }, (_, index) => ({ start: edge(index), end: edge(index + 1) }));
}

/** Of queries [n, groupSize · length, features], groups one below the other, those of one block. */
export function rowsOfBlock(x: Tensor, groupSize: number, { start, end }: QueryBlock): Tensor {
  const [n, rows, features] = x.shape as [number, number, number];
  const length = rows / groupSize;
  if (end - start === length) return x;
  const block = slice(reshape(x, [n, groupSize, length, features]), 2, start, end - start);
  return reshape(block, [n, groupSize * (end - start), features]);
}

/** The way back: all blocks' rows, in order. */
export function joinBlocks(blocks: readonly Tensor[], groupSize: number): Tensor {
  if (blocks.length === 1) return blocks[0]!;
  const grouped = blocks.map((block) => {
    const [n, rows, features] = block.shape as [number, number, number];
    return reshape(block, [n, groupSize, rows / groupSize, features]);
  });
  const joined = concat(grouped, 2);
  const [n, groups, length, features] = joined.shape as [number, number, number, number];
  return reshape(joined, [n, groups * length, features]);
}

/** The first keys of [n, keys, features]. */
export function firstKeys(x: Tensor, count: number): Tensor {
  return count === x.shape[1] ? x : slice(x, 1, 0, count);
}

/** Adds up gradients [n, keys, features] of ever more keys from the first on, by parts that the same blocks see. */
export function sumOverBlocks(gradients: readonly Tensor[]): Tensor {
  if (gradients.length === 1) return gradients[0]!;
  const ends = gradients.map(({ shape }) => shape[1]!);
  const parts = ends.map((end, index) => {
    const start = index === 0 ? 0 : ends[index - 1]!;
    return gradients
      .slice(index)
      .map((gradient) =>
        start === 0 && end === gradient.shape[1] ? gradient : slice(gradient, 1, start, end - start),
      )
      .reduce(add);
  });
  return concat(parts, 1);
}
