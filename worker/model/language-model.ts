import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace, TensorSpec } from '../parameters/layout.js';
import { dispose, read, scope, type Tensor } from '../tensorflow/tensor.js';
import { attentionMask } from './attention-mask.js';
import { isTied, parametersOf, type Architecture } from './architecture.js';
import { batchOf, scored, type Batch, type ScoredBatch, type Sequence } from './batch.js';
import { BoundWeights } from './bound-weights.js';
import type { HeadGradients } from './head.js';
import { KeyValueCache } from './key-value-cache.js';
import type { EmitGradient, Module, Pass } from './module.js';

export type { BoundWeights, Sequence };
export { KeyValueCache };

/** Receives gradients while the backward pass goes on. */
export interface GradientSink {
  /**
   * Called exactly once for every tensor of the layout, with the whole batch's gradient of it, from the last layer to the
   * first. `gradient` is freed on return.
   */
  add(place: TensorPlace, gradient: Tensor): void;
}

/** dLoss/dlogp of one sequence: of each of its completion tokens, or one number for all of them. */
export type LogpGradient = number | Float32Array | Float64Array;

/** What the model makes of a batch just before it predicts the completion tokens. Freed behind whoever is given it. */
export interface TokenStates {
  /** Of each sequence's completion tokens, sequence after sequence, [tokens, hidden]. */
  readonly hidden: Tensor;
  /** Completion tokens of each sequence. */
  readonly counts: readonly number[];
}

/** A position of a batch: token `token` of sequence `sequence`. */
export interface Position {
  readonly sequence: number;
  readonly token: number;
}

/**
 * Computes log-probs and gradients. The same batch and weights give the same bits every time, and `logps` and
 * `forwardBackward` give the same log-probs; another composition or order of the batch may differ in the last bits.
 */
export class LanguageModel {
  private readonly places: ReadonlyMap<string, TensorPlace>;
  /** The lowest block that the backward reaches. */
  private readonly lowestBlock: number;
  private readonly trainsEmbedding: boolean;

  /**
   * @param layout the model's parameters that are trained: those that gradients are computed of
   * @param frozen the weights of all others, which this takes over
   */
  constructor(
    private readonly architecture: Architecture,
    layout: Pick<ParameterLayout, 'tensors'>,
    private readonly frozen: BoundWeights | null = null,
  ) {
    this.places = new Map(layout.tensors.map((place) => [place.name, place]));
    const known = new Set(parametersOf(architecture).map(({ name }) => name));
    const unknown = layout.tensors.find(({ name }) => !known.has(name));
    if (unknown !== undefined) throw new Error(`the model has no parameter ${unknown.name}`);

    const { embedding, blocks } = architecture;
    const isTrained = ({ name }: TensorSpec) => this.places.has(name);
    this.trainsEmbedding = embedding.parameters.some(isTrained);
    const lowest = blocks.findIndex(({ parameters }) => parameters.some(isTrained));
    this.lowestBlock = this.trainsEmbedding ? 0 : lowest === -1 ? blocks.length : lowest;
  }

  /** Wraps weights over the trained parameters, and maybe others, without a copy. Bind two buffers to alternate between them. */
  bind(weights: FlatBuffer): BoundWeights {
    return BoundWeights.over(weights);
  }

  /** Log-prob of every completion token, by sequence. */
  tokenLogps(weights: BoundWeights, sequences: readonly Sequence[]): Float32Array[] {
    return this.readScores(weights, sequences, (logps) => logps);
  }

  /** Gives `use` what `forwardBackward` gives to its loss, bit for bit: the completion tokens' log-probs, and their states. */
  readScores<T>(
    weights: BoundWeights,
    sequences: readonly Sequence[],
    use: (tokenLogps: Float32Array[], states: TokenStates) => T,
  ): T {
    return scope(() => {
      const batch = scored(sequences, this.architecture);
      const pass = this.beginPass(weights, batch);
      const output = this.forward(pass, batch);
      const { logps, saved } = this.architecture.head.forward(pass, output, batch.targets);
      return use(splitBySequence(batch, logps), { hidden: saved.hidden, counts: batch.targetCounts });
    });
  }

  /** Sum of the log-probs of each sequence's completion tokens, [sequences]. */
  logps(weights: BoundWeights, sequences: readonly Sequence[]): Float64Array {
    return sequenceLogps(this.tokenLogps(weights, sequences));
  }

  /**
   * One batch's share of the loss's gradient.
   *
   * @param lossGradient maps the log-probs of the completion tokens, by sequence, to the loss's gradient of them; may read
   *   the tokens' states, through which no gradient flows
   * @returns the log-probs of the completion tokens, as `tokenLogps`
   */
  forwardBackward(
    weights: BoundWeights,
    sequences: readonly Sequence[],
    lossGradient: (tokenLogps: readonly Float32Array[], states: TokenStates) => readonly LogpGradient[],
    sink: GradientSink,
  ): Float32Array[] {
    return scope(() => {
      const batch = scored(sequences, this.architecture);
      const pass = this.beginPass(weights, batch);
      const { head } = this.architecture;
      const { output, saved } = this.forwardSaving(pass, batch);
      const scoring = scope(() => head.forward(pass, output, batch.targets));
      dispose(output);
      const tokenLogps = splitBySequence(batch, scoring.logps);

      const emit = emitter(this.places, sink);
      const states = { hidden: scoring.saved.hidden, counts: batch.targetCounts };
      const perTarget = spreadOverTargets(batch, lossGradient(tokenLogps, states));
      const trainsHead = this.places.has(head.weight.name);
      const fromHead = scope(() =>
        head.backward(pass, scoring.saved, batch.targets, perTarget, trainsHead, emit),
      );
      dispose(scoring.saved);
      this.backward(pass, batch, saved, fromHead, emit);
      return tokenLogps;
    });
  }

  /** Gives `use` the states of the completion tokens, bit for bit those that `forwardBackward` has. */
  readStates<T>(weights: BoundWeights, sequences: readonly Sequence[], use: (states: TokenStates) => T): T {
    return scope(() => {
      const batch = scored(sequences, this.architecture);
      const pass = this.beginPass(weights, batch);
      const output = this.forward(pass, batch);
      const hidden = this.architecture.head.hidden(pass, output, batch.targets.rows);
      return use({ hidden, counts: batch.targetCounts });
    });
  }

  /** Logits at some positions, [vocabulary] each. */
  logits(
    weights: BoundWeights,
    sequences: readonly Int32Array[],
    positions: readonly Position[],
  ): Float32Array[] {
    return scope(() => {
      const { vocabSize, head } = this.architecture;
      const batch = batchOf(sequences, this.architecture);
      const pass = this.beginPass(weights, batch);
      const rows = Int32Array.from(positions, ({ sequence, token }) =>
        batch.arrangement.row(sequence, token),
      );
      const logits = read(head.logits(pass, this.forward(pass, batch), rows));
      return positions.map((_, index) => logits.subarray(index * vocabSize, (index + 1) * vocabSize));
    });
  }

  /**
   * Goes on from the tokens that the cache holds: the logits after the last of the new ones, by sequence. The same as
   * `logits` of the whole sequences gives, but for rounding.
   *
   * @param tokens new tokens of each sequence of the cache, as many of each
   * @throws ConfigError if a sequence becomes too long for the model, or a token id lies outside of its vocabulary
   */
  extend(weights: BoundWeights, cache: KeyValueCache, tokens: readonly Int32Array[]): Float32Array[] {
    return scope(() => {
      const { vocabSize, head } = this.architecture;
      const batch = batchOf(tokens, this.architecture, cache.length);
      const { arrangement } = batch;
      if (arrangement.batch !== cache.batch || tokens.some(({ length }) => length !== arrangement.length)) {
        throw new Error(`the cache goes on with as many tokens of each of its ${cache.batch} sequences`);
      }
      const pass = this.beginPass(weights, batch, cache);
      const output = this.forward(pass, batch);
      const last = Int32Array.from(tokens, ({ length }, sequence) => arrangement.row(sequence, length - 1));
      const logits = read(head.logits(pass, output, last));
      cache.advance(arrangement.length);
      return tokens.map((_, index) => logits.subarray(index * vocabSize, (index + 1) * vocabSize));
    });
  }

  /** Frees the frozen weights. */
  dispose(): void {
    this.frozen?.dispose();
  }

  /** The tensors that a pass shares belong to the open scope. */
  private beginPass(weights: BoundWeights, { arrangement }: Batch, cache: KeyValueCache | null = null): Pass {
    const { rope, windows } = this.architecture;
    const { length } = arrangement;
    const past = cache?.length ?? 0;
    const masks = new Map(windows.map((window) => [window, attentionMask(length, window, past)]));
    return {
      arrangement,
      cache,
      weight: (name) => {
        const tensor = weights.find(name) ?? this.frozen?.find(name);
        if (tensor === undefined) throw new Error(`there is no weight ${name}`);
        return tensor;
      },
      rope: rope?.tables(past, length) ?? null,
      mask: (window) => masks.get(window)!,
    };
  }

  /** Through embedding and blocks, keeping one block's activations at a time. */
  private forward(pass: Pass, batch: Batch): Tensor {
    const { embedding, blocks } = this.architecture;
    return forwardThrough(blocks, pass, embedding.forward(pass, batch.ids));
  }

  /** The same, with what the backward of each block from the lowest one on needs. */
  private forwardSaving(pass: Pass, batch: Batch): { output: Tensor; saved: unknown[] } {
    const { embedding, blocks } = this.architecture;
    let output = embedding.forward(pass, batch.ids);
    output = forwardThrough(blocks.slice(0, this.lowestBlock), pass, output);
    const saved = blocks.slice(this.lowestBlock).map((block) => {
      const input = output;
      const step = scope(() => block.forward(pass, input));
      output = step.output;
      return step.saved;
    });
    return { output, saved };
  }

  /** From the head's gradients down to the lowest block that is trained, freeing each block's activations behind it. */
  private backward(
    pass: Pass,
    batch: Batch,
    saved: readonly unknown[],
    { inputGradient, weightGradient }: HeadGradients,
    emit: EmitGradient,
  ): void {
    const { embedding, blocks, head } = this.architecture;
    const tied = isTied(this.architecture);
    if (!tied && weightGradient !== null) emit(head.weight.name, () => weightGradient);
    const gradient = blocks.slice(this.lowestBlock).reduceRight((upper, block, index) => {
      const lower = scope(() => block.backward(pass, saved[index], upper, emit));
      dispose([upper, saved[index]]);
      return lower;
    }, inputGradient);
    if (this.trainsEmbedding) {
      embedding.backward(pass, batch.ids, gradient, tied ? weightGradient : null, emit);
    }
  }
}

/** Sum of each sequence's token log-probs, in float64, in token order. */
export function sequenceLogps(tokenLogps: readonly Float32Array[]): Float64Array {
  return Float64Array.from(tokenLogps, (logps) => logps.reduce((sum, logp) => sum + logp, 0));
}

function forwardThrough(blocks: readonly Module[], pass: Pass, first: Tensor): Tensor {
  return blocks.reduce((input, block) => {
    const output = scope(() => block.forward(pass, input).output);
    dispose(input);
    return output;
  }, first);
}

function emitter(places: ReadonlyMap<string, TensorPlace>, sink: GradientSink): EmitGradient {
  return (name, compute) => {
    const place = places.get(name);
    if (place === undefined) return;
    const gradient = compute();
    sink.add(place, gradient);
    dispose(gradient);
  };
}

function splitBySequence({ targetCounts }: ScoredBatch, values: Float32Array): Float32Array[] {
  let start = 0;
  return targetCounts.map((count) => values.subarray(start, (start += count)));
}

/** One gradient for each target; a sequence's single number is that of each of its tokens. */
function spreadOverTargets(
  { targets, targetCounts }: ScoredBatch,
  perSequence: readonly LogpGradient[],
): Float32Array {
  if (perSequence.length !== targetCounts.length) {
    throw new Error(`${perSequence.length} loss gradients for ${targetCounts.length} sequences`);
  }
  const perTarget = new Float32Array(targets.rows.length);
  let start = 0;
  targetCounts.forEach((count, index) => {
    const gradient = perSequence[index]!;
    if (typeof gradient === 'number') {
      perTarget.fill(gradient, start, start + count);
    } else {
      if (gradient.length !== count) {
        throw new Error(`${gradient.length} loss gradients for the ${count} tokens of sequence ${index}`);
      }
      perTarget.set(gradient, start);
    }
    start += count;
  });
  return perTarget;
}
