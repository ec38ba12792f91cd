import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

import { KeyValueCache } from '../model/language-model.js';
import type { InferenceModel } from './open.js';
import { sampleToken, type Sampling } from './sampling.js';

export interface GenerateOptions extends Sampling {
  /** At least 1. */
  readonly maxNewTokens: number;
  /** The same seed draws the same tokens; prompt i draws from a stream of its own. */
  readonly seed: number;
  /** Tokens that end a reply, beside those that the model's own files name. */
  readonly stopIds: readonly number[];
}

/** A token of the reply to prompt `prompt`; null where the reply ends with the model's end-of-sequence token. */
export interface GeneratedToken {
  readonly prompt: number;
  readonly token: number | null;
}

/**
 * Continues each prompt until the model ends its reply, or `maxNewTokens` or the model's greatest length are reached.
 * Hands out the tokens as they come, those of several prompts in turn: prompts of about the same length go through the
 * model together. (Which ones do may change the last bits of their probabilities.)
 *
 * @param prompts at least one token each
 * @throws ConfigError if a prompt is too long for the model, or holds a token id outside of its vocabulary
 */
export function* generateTokens(
  opened: InferenceModel,
  prompts: readonly Int32Array[],
  options: GenerateOptions,
): Generator<GeneratedToken, void, undefined> {
  const longest = opened.description.config.maxLength ?? Infinity;
  const sequences = prompts.map((ids, prompt): Sequence => ({
    prompt,
    ids: [...ids],
    fullLength: Math.min(ids.length + options.maxNewTokens, longest),
    draw: uniformsOf(options.seed, prompt),
  }));
  for (const batch of batchesOf(sequences)) yield* continueTogether(opened, batch, options);
}

/** Sequences that are computed together: weights are read once for all of them. */
const BATCH_SIZE = 8;
/** While a longer prompt is read token by token, shorter ones are answered already: that costs at most so many steps. */
const LENGTH_SPREAD = 32;

/** Sequences of similar length, the shortest first. */
function batchesOf(sequences: readonly Sequence[]): Sequence[][] {
  const batches: Sequence[][] = [];
  for (const sequence of sequences.toSorted((a, b) => a.ids.length - b.ids.length)) {
    const batch = batches.at(-1);
    const fits =
      batch !== undefined &&
      batch.length < BATCH_SIZE &&
      sequence.ids.length - batch[0]!.ids.length <= LENGTH_SPREAD;
    if (fits) batch.push(sequence);
    else batches.push([sequence]);
  }
  return batches;
}

/** A prompt and its reply so far. */
interface Sequence {
  readonly prompt: number;
  readonly ids: number[];
  /** The length at which its reply is cut. */
  readonly fullLength: number;
  /** Uniform in [0, 1). */
  readonly draw: () => number;
}

/**
 * All sequences are at the same position: as much as the shortest prompt is long goes through the model at once, then one
 * token of each, its prompt's next one or, behind its prompt, the one that was drawn.
 */
function* continueTogether(
  { model, weights, description }: InferenceModel,
  sequences: readonly Sequence[],
  { stopIds, ...sampling }: GenerateOptions,
): Generator<GeneratedToken, void, undefined> {
  const ends = new Set([...description.eosTokenIds, ...stopIds]);
  const shortest = Math.min(...sequences.map(({ ids }) => ids.length));
  const cache = new KeyValueCache(sequences.length);
  try {
    let open = sequences;
    let next = open.map(({ ids }) => Int32Array.from(ids.slice(0, shortest)));
    for (let position = shortest; ; position += 1) {
      const logits = model.extend(weights, cache, next);
      const going: number[] = [];
      for (const [place, sequence] of open.entries()) {
        const { prompt, ids, draw } = sequence;
        if (ids.length === position) {
          const token = sampleToken(logits[place]!, sampling, draw());
          const hasEnded = ends.has(token);
          yield { prompt, token: hasEnded ? null : token };
          if (hasEnded) continue;
          ids.push(token);
        }
        if (ids.length < sequence.fullLength || position + 1 < ids.length) going.push(place);
      }
      if (going.length === 0) return;
      if (going.length < open.length) cache.select(going);
      open = going.map((place) => open[place]!);
      next = open.map(({ ids }) => Int32Array.of(ids[position]!));
    }
  } finally {
    cache.dispose();
  }
}

/** Prompt `index` draws from a stretch of the seed's sequence of its own. The first is skipped: small seeds begin alike. */
function uniformsOf(seed: number, index: number): () => number {
  const generator = xoroshiro128plus(seed);
  for (let jumps = 0; jumps <= index; jumps += 1) generator.jump();
  return () => uniformFloat64(generator);
}
