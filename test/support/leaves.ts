import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

import type { TreeNode } from '../../worker/reduction/tree.js';

/** Uniform in [0, 1). */
export type Random = () => number;

export function randomFrom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(Math.floor(random() * rest.length), 1)[0]!);
}

/** Gradients of magnitudes from 2^-40 to 2^40, so that every order of addition gives its own bits. */
export function randomLeaves(leafCount: number, elements: number, seed: number) {
  const random = randomFrom(seed);
  const value = () => (random() - 0.5) * 2 ** Math.floor(random() * 80 - 40);
  const leaves = Array.from({ length: leafCount }, () => new Float32Array(elements));
  for (const leaf of leaves) for (let index = 0; index < elements; index++) leaf[index] = value();
  return { leaves, random };
}

/** Run starts as the plan gives them; empty runs are as likely as others. */
export function cutIntoRuns(leafCount: number, worldSize: number, random: Random): number[] {
  const cuts = Array.from({ length: worldSize - 1 }, () => Math.floor(random() * (leafCount + 1)));
  return [0, ...cuts.sort((a, b) => a - b), leafCount];
}

/** The definition of the sum, as the tree's docstring writes it. */
export function treeSum(leaves: readonly Float32Array[], { firstLeaf, span }: TreeNode): Float32Array {
  if (span === 1) return leaves[firstLeaf]!;
  const half = span / 2;
  const left = treeSum(leaves, { firstLeaf, span: half });
  if (firstLeaf + half >= leaves.length) return left;
  const right = treeSum(leaves, { firstLeaf: firstLeaf + half, span: half });
  return left.map((value, index) => value + right[index]!);
}

export const sameBits = (a: Float32Array, b: Float32Array) => bytesOf(a).equals(bytesOf(b));

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength);
