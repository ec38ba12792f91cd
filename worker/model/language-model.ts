import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace } from '../parameters/layout.js';
import { dispose, read, scope, type Tensor } from '../tensorflow/tensor.js';
import { isTied, type Architecture } from './architecture.js';
import { padded, scored, type Batch, type ScoredBatch, type Sequence } from './batch.js';
import { BoundWeights } from './bound-weights.js';
import { causalMask } from './causal-mask.js';
import type { ModelDescription } from './description.js';
import { buildArchitecture } from './families.js';
import type { EmitGradient, Pass } from './module.js';

export type { BoundWeights, Sequence };

/** Receives gradients while the backward pass goes on. */
export interface GradientSink {
  /**
   * Called exactly once for every tensor of the layout, with the whole batch's gradient of it, from the last layer to the
   * first. `gradient` is freed on return.
   */
  add(place: TensorPlace, gradient: Tensor): void;
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
  private readonly architecture: Architecture;
  private readonly places: ReadonlyMap<string, TensorPlace>;

  constructor(description: ModelDescription, layout: ParameterLayout) {
    this.architecture = buildArchitecture(description.config);
    this.places = new Map(layout.tensors.map((place) => [place.name, place]));
  }

  /** Wraps weights that lie over this model's layout, without a copy. Bind two buffers to alternate between them. */
  bind(weights: FlatBuffer): BoundWeights {
    return new BoundWeights(weights);
  }

  /** Log-prob of every completion token, by sequence. */
  tokenLogps(weights: BoundWeights, sequences: readonly Sequence[]): Float32Array[] {
    return scope(() => {
      const batch = scored(sequences, this.architecture.vocabSize);
      const pass = beginPass(this.architecture, weights, batch);
      const output = this.forward(pass, batch);
      const { logps } = this.architecture.head.forward(pass, output, batch.targets);
      return splitBySequence(batch, logps);
    });
  }

  /** Sum of the log-probs of each sequence's completion tokens, [sequences]. */
  logps(weights: BoundWeights, sequences: readonly Sequence[]): Float64Array {
    return sumsOf(this.tokenLogps(weights, sequences));
  }

  /**
   * One batch's share of the loss's gradient.
   *
   * @param lossGradient maps the log-probs of the sequences to dLoss/dlogp of each
   * @returns the log-probs of the sequences, as `logps`
   */
  forwardBackward(
    weights: BoundWeights,
    sequences: readonly Sequence[],
    lossGradient: (logps: Float64Array) => Float64Array,
    sink: GradientSink,
  ): Float64Array {
    return scope(() => {
      const batch = scored(sequences, this.architecture.vocabSize);
      const pass = beginPass(this.architecture, weights, batch);
      const { head } = this.architecture;
      const { output, saved } = this.forwardSaving(pass, batch);
      const scoring = scope(() => head.forward(pass, output, batch.targets));
      dispose(output);
      const logps = sumsOf(splitBySequence(batch, scoring.logps));

      const emit = emitter(this.places, sink);
      const perTarget = spreadOverTargets(batch, lossGradient(logps));
      const fromHead = scope(() => head.backward(pass, scoring.saved, batch.targets, perTarget, emit));
      dispose(scoring.saved);
      this.backward(pass, batch, saved, fromHead, emit);
      return logps;
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
      const batch = padded(sequences, vocabSize);
      const pass = beginPass(this.architecture, weights, batch);
      const rows = Int32Array.from(positions, ({ sequence, token }) => sequence * batch.length + token);
      const logits = read(head.logits(pass, this.forward(pass, batch), rows));
      return positions.map((_, index) => logits.subarray(index * vocabSize, (index + 1) * vocabSize));
    });
  }

  /** Through embedding and blocks, keeping one block's activations at a time. */
  private forward(pass: Pass, batch: Batch): Tensor {
    const { embedding, blocks } = this.architecture;
    return blocks.reduce(
      (input, block) => {
        const output = scope(() => block.forward(pass, input).output);
        dispose(input);
        return output;
      },
      embedding.forward(pass, batch.ids),
    );
  }

  /** The same, with what each block's backward needs. */
  private forwardSaving(pass: Pass, batch: Batch): { output: Tensor; saved: unknown[] } {
    const { embedding, blocks } = this.architecture;
    let output = embedding.forward(pass, batch.ids);
    const saved = blocks.map((block) => {
      const input = output;
      const step = scope(() => block.forward(pass, input));
      output = step.output;
      return step.saved;
    });
    return { output, saved };
  }

  /** From the head's gradients down to the embedding, freeing each block's activations behind it. */
  private backward(
    pass: Pass,
    batch: Batch,
    saved: readonly unknown[],
    fromHead: { readonly inputGradient: Tensor; readonly weightGradient: Tensor },
    emit: EmitGradient,
  ): void {
    const { embedding, blocks, head } = this.architecture;
    const tied = isTied(this.architecture);
    if (!tied) emit(head.weight.name, fromHead.weightGradient);
    const gradient = blocks.reduceRight((upper, block, index) => {
      const lower = scope(() => block.backward(pass, saved[index], upper, emit));
      dispose([upper, saved[index]]);
      return lower;
    }, fromHead.inputGradient);
    embedding.backward(batch.ids, gradient, tied ? fromHead.weightGradient : null, emit);
  }
}

/** The tensors that a pass shares belong to the open scope. */
function beginPass(architecture: Architecture, weights: BoundWeights, { size, length }: Batch): Pass {
  return {
    batch: size,
    length,
    weight: (name) => weights.tensor(name),
    rope: architecture.rope.tables(length),
    causalMask: causalMask(length),
  };
}

function emitter(places: ReadonlyMap<string, TensorPlace>, sink: GradientSink): EmitGradient {
  return (name, gradient) => {
    const place = places.get(name);
    if (place === undefined) throw new Error(`the layout has no place for the gradient of ${name}`);
    sink.add(place, gradient);
    dispose(gradient);
  };
}

function splitBySequence({ targetCounts }: ScoredBatch, values: Float32Array): Float32Array[] {
  let start = 0;
  return targetCounts.map((count) => values.subarray(start, (start += count)));
}

/** In float64, in token order. */
function sumsOf(tokenLogps: readonly Float32Array[]): Float64Array {
  return Float64Array.from(tokenLogps, (logps) => logps.reduce((sum, logp) => sum + logp, 0));
}

/** A sequence's gradient is that of each of its tokens. */
function spreadOverTargets({ targets, targetCounts }: ScoredBatch, perSequence: Float64Array): Float32Array {
  if (perSequence.length !== targetCounts.length) {
    throw new Error(`${perSequence.length} loss gradients for ${targetCounts.length} sequences`);
  }
  const perTarget = new Float32Array(targets.rows.length);
  let start = 0;
  targetCounts.forEach((count, index) => perTarget.fill(perSequence[index]!, start, (start += count)));
  return perTarget;
}
