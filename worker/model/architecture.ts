import type { TensorSpec } from '../parameters/layout.js';
import type { Embedding } from './embedding.js';
import type { Head } from './head.js';
import type { Module } from './module.js';
import type { Rope } from './rope.js';

/** A decoder as modules, from token ids to log-probs. Holds no weights. */
export interface Architecture {
  readonly vocabSize: number;
  /** Tokens that a sequence may have; null where any number may. */
  readonly maxLength: number | null;
  /** Null where positions are not rotary. */
  readonly rope: Rope | null;
  /** The windows of its attention layers, each once: see attention-mask.ts. */
  readonly windows: readonly (number | null)[];
  readonly embedding: Embedding;
  readonly blocks: readonly Module[];
  readonly head: Head;
}

/** Whether the embedding's weight is also the head's. */
export function isTied({ embedding, head }: Architecture): boolean {
  return embedding.weight.name === head.weight.name;
}

export function parametersOf(architecture: Architecture): TensorSpec[] {
  const { embedding, blocks, head } = architecture;
  const ofHead = isTied(architecture) ? head.parameters : [...head.parameters, head.weight];
  return [...embedding.parameters, ...blocks.flatMap(({ parameters }) => parameters), ...ofHead];
}
