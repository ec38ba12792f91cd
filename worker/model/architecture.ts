import type { TensorSpec } from '../parameters/layout.js';
import type { Embedding } from './embedding.js';
import type { Head } from './head.js';
import type { Module } from './module.js';
import type { Rope } from './rope.js';

/** A decoder as modules, from token ids to log-probs. Holds no weights. */
export interface Architecture {
  readonly vocabSize: number;
  readonly rope: Rope;
  readonly embedding: Embedding;
  readonly blocks: readonly Module<unknown>[];
  readonly head: Head;
}

/** Whether the embedding's weight is also the head's. */
export function isTied({ embedding, head }: Architecture): boolean {
  return embedding.weight.name === head.weight.name;
}

export function parametersOf(architecture: Architecture): TensorSpec[] {
  const { embedding, blocks, head } = architecture;
  const ofHead = isTied(architecture) ? head.parameters : [...head.parameters, head.weight];
  return [embedding.weight, ...blocks.flatMap(({ parameters }) => parameters), ...ofHead];
}
