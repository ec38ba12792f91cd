import { ConfigError } from '../../lib/errors.js';
import { Arrangement } from './arrangement.js';
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

/** Sequences as a model takes them. */
export interface Batch {
  readonly arrangement: Arrangement;
  /** Of all tokens, sequence after sequence. */
  readonly ids: Int32Array;
}

export interface ScoredBatch extends Batch {
  /** All scored tokens, sequence after sequence. */
  readonly targets: Targets;
  /** Scored tokens of each sequence. */
  readonly targetCounts: readonly number[];
}

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
export function batchOf(
  sequences: readonly Int32Array[],
  { vocabSize, maxLength }: InputLimits,
  past = 0,
): Batch {
  const arrangement = new Arrangement(sequences.map((ids) => ids.length));
  const { length, tokens } = arrangement;
  if (maxLength !== null && past + length > maxLength) {
    throw new ConfigError(
      `a sequence of ${past + length} tokens is longer than the ${maxLength} positions of the model; lower max_length`,
    );
  }
  const ids = new Int32Array(tokens);
  sequences.forEach((sequence, index) => {
    const outside = sequence.find((id) => id < 0 || id >= vocabSize);
    if (outside !== undefined) {
      throw new ConfigError(
        `token id ${outside} lies outside of the model's vocabulary of ${vocabSize}; is this the model's own tokenizer?`,
      );
    }
    ids.set(sequence, arrangement.row(index, 0));
  });
  return { arrangement, ids };
}

/** @throws ConfigError as `batchOf`; Error if there is nothing to score. */
export function scored(sequences: readonly Sequence[], limits: InputLimits): ScoredBatch {
  const batch = batchOf(
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
      rows.push(batch.arrangement.row(index, token - 1));
      labels.push(ids[token]!);
    }
    return ids.length - first;
  });
  const targets = { rows: Int32Array.from(rows), labels: Int32Array.from(labels) };
  return { ...batch, targets, targetCounts };
}
