import { ConfigError } from '../../lib/errors.js';
import type { Targets } from './head.js';

/** Token ids of a prompt and its completion. */
export interface Sequence {
  readonly ids: Int32Array;
  /** Index of the completion's first token. The very first token of a sequence is never scored: nothing predicts it. */
  readonly completionStart: number;
}

/** Tokens of a sequence that are scored. */
export function completionLength({ ids, completionStart }: Sequence): number {
  return ids.length - Math.max(1, completionStart);
}

/** Sequences padded on the right to the longest of them. With a causal mask no token sees the padding. */
export interface Batch {
  readonly size: number;
  readonly length: number;
  /** [size · length], row-major */
  readonly ids: Int32Array;
}

export interface ScoredBatch extends Batch {
  /** All scored tokens, sequence after sequence. */
  readonly targets: Targets;
  /** Scored tokens of each sequence. */
  readonly targetCounts: readonly number[];
}

/** Any token would do: what stands at a padded position changes nothing. */
const PADDING_ID = 0;

/** What a model takes. */
export interface InputLimits {
  readonly vocabSize: number;
  /** Tokens that a sequence may have; null where any number may. */
  readonly maxLength: number | null;
}

/**
 * @param past tokens that stand in front of each sequence
 * @throws ConfigError if a sequence is too long for the model, or a token id lies outside of its vocabulary.
 */
export function padded(
  sequences: readonly Int32Array[],
  { vocabSize, maxLength }: InputLimits,
  past = 0,
): Batch {
  const length = Math.max(...sequences.map((ids) => ids.length));
  if (maxLength !== null && past + length > maxLength) {
    throw new ConfigError(
      `a sequence of ${past + length} tokens is longer than the ${maxLength} positions of the model; lower max_length`,
    );
  }
  const ids = new Int32Array(sequences.length * length).fill(PADDING_ID);
  sequences.forEach((sequence, index) => {
    const outside = sequence.find((id) => id < 0 || id >= vocabSize);
    if (outside !== undefined) {
      throw new ConfigError(
        `token id ${outside} lies outside of the model's vocabulary of ${vocabSize}; is this the model's own tokenizer?`,
      );
    }
    ids.set(sequence, index * length);
  });
  return { size: sequences.length, length, ids };
}

/** @throws ConfigError as `padded`; Error if there is nothing to score. */
export function scored(sequences: readonly Sequence[], limits: InputLimits): ScoredBatch {
  const batch = padded(
    sequences.map(({ ids }) => ids),
    limits,
  );
  const rows: number[] = [];
  const labels: number[] = [];
  const targetCounts = sequences.map(({ ids, completionStart }, index) => {
    const first = Math.max(1, completionStart);
    if (first >= ids.length)
      throw new Error(`sequence ${index} of the batch has no completion token to score`);
    for (let token = first; token < ids.length; token += 1) {
      rows.push(index * batch.length + token - 1);
      labels.push(ids[token]!);
    }
    return ids.length - first;
  });
  const targets = { rows: Int32Array.from(rows), labels: Int32Array.from(labels) };
  return { ...batch, targets, targetCounts };
}
