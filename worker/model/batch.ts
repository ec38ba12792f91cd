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
export function batchOf(sequences: readonly Int32Array[], limits: InputLimits, past = 0): Batch {
  requireFits(sequences, limits, past);
  return {
    arrangement: new Arrangement(sequences.map(({ length }) => length)),
    ids: concatenated(sequences),
  };
}

function requireFits(
  sequences: readonly Int32Array[],
  { vocabSize, maxLength }: InputLimits,
  past: number,
): void {
  const length = past + Math.max(...sequences.map((ids) => ids.length));
  if (maxLength !== null && length > maxLength) {
    throw new ConfigError(
      `a sequence of ${length} tokens is longer than the ${maxLength} positions of the model; lower max_length`,
    );
  }
  for (const sequence of sequences) {
    const outside = sequence.find((id) => id < 0 || id >= vocabSize);
    if (outside !== undefined) {
      throw new ConfigError(
        `token id ${outside} lies outside of the model's vocabulary of ${vocabSize}; is this the model's own tokenizer?`,
      );
    }
  }
}

/** Completions of prompts that another batch has. */
export interface BranchBatch extends ScoredBatch {
  /** Of each sequence, the one of the other batch whose prompt it has. */
  readonly trunks: readonly number[];
}

/**
 * Other completions of the prompts of `trunks`, without those prompts but for the last token, which predicts the first of
 * the completion; and without the completion's own last token, which predicts nothing.
 *
 * @throws ConfigError as `batchOf`; Error where a sequence has the prompt of none of the trunks
 */
export function branchesOf(
  branches: readonly Sequence[],
  trunks: readonly Sequence[],
  limits: InputLimits,
): BranchBatch {
  requireFits(
    branches.map(({ ids }) => ids),
    limits,
    0,
  );
  const tails = branches.map(({ ids, completionStart }) => ids.subarray(completionStart - 1, ids.length - 1));
  const arrangement = new Arrangement(
    tails.map(({ length }) => length),
    branches.map(({ completionStart }) => completionStart - 1),
  );
  return {
    arrangement,
    ids: concatenated(tails),
    targets: {
      rows: Int32Array.from({ length: arrangement.tokens }, (_, row) => row),
      labels: concatenated(branches.map(({ ids, completionStart }) => ids.subarray(completionStart))),
    },
    targetCounts: tails.map(({ length }) => length),
    trunks: branches.map((branch) => {
      const trunk = trunks.findIndex((sequence) => completesSamePrompt(branch, sequence));
      if (trunk < 0) throw new Error('a completion of a prompt that the batch does not have');
      return trunk;
    }),
  };
}

/** Whether two sequences complete the same prompt. */
export function completesSamePrompt(one: Sequence, other: Sequence): boolean {
  if (one.completionStart !== other.completionStart) return false;
  return prompt(one).every((id, index) => id === other.ids[index]);
}

const prompt = ({ ids, completionStart }: Sequence) => ids.subarray(0, completionStart);

function concatenated(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    all.set(part, start);
    start += part.length;
  }
  return all;
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
