import type { TensorSpec } from '../parameters/layout.js';
import { crossEntropy, type CrossEntropy } from '../tensorflow/cross-entropy.js';
import { addRowsTo, addTo } from '../tensorflow/in-place.js';
import { concat, gatherRows, matMul, multiply, slice, zeros } from '../tensorflow/ops.js';
import { dispose, floats, ints, read, scope, type Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Module, Pass } from './module.js';
import { softcap } from './softcap.js';

/** Targets whose logits are in memory at a time. A constant: another number gives other bits. */
const TARGETS_PER_CHUNK = 1024;

/** What is scored: row `rows[i]` of the activations predicts token `labels[i]`. */
export interface Targets {
  readonly rows: Int32Array;
  readonly labels: Int32Array;
}

interface Saved<Norm> {
  readonly norm: Norm;
  /** Normalized activations of the targets, [targets, hidden]. */
  readonly hidden: Tensor;
  /** Of the cross-entropy of all targets, where they fit one chunk; otherwise the backward computes it again. */
  readonly logitsGradient: Tensor | null;
}

/** From the last activations to the log-probs of the targets: norm, product with the vocabulary's weight, softmax. */
export interface Head<Norm = unknown> {
  /** Without the vocabulary's weight, which may be the embedding's. */
  readonly parameters: readonly TensorSpec[];
  /** [vocabulary, hidden] */
  readonly weight: TensorSpec;
  /** Log-probs of the targets, in their order. */
  forward(pass: Pass, input: Tensor, targets: Targets): { logps: Float32Array; saved: Saved<Norm> };
  /**
   * @param logpGradients dLoss/dlogp of each target
   * @param trainsWeight whether the gradient of the vocabulary's weight is needed
   * @returns the gradients of the input and of the vocabulary's weight; the latter is not emitted, and null if not needed.
   */
  backward(
    pass: Pass,
    saved: Saved<Norm>,
    targets: Targets,
    logpGradients: Float32Array,
    trainsWeight: boolean,
    emit: EmitGradient,
  ): HeadGradients;
  /** Normalized activations of some rows, [rows, hidden], as `forward` has them. */
  hidden(pass: Pass, input: Tensor, rows: Int32Array): Tensor;
  /** Logits of some rows of the activations, [rows, vocabulary]. */
  logits(pass: Pass, input: Tensor, rows: Int32Array): Tensor;
}

export interface HeadGradients {
  readonly inputGradient: Tensor;
  readonly weightGradient: Tensor | null;
}

interface Options {
  /** Bound of the logits (see `softcap`), null for none. */
  readonly logitCap?: number | null;
  readonly targetsPerChunk?: number;
}

export function head<Norm>(
  norm: Module<Norm>,
  weight: TensorSpec,
  { logitCap = null, targetsPerChunk = TARGETS_PER_CHUNK }: Options = {},
): Head<Norm> {
  const bound = logitCap === null ? null : softcap(logitCap);
  const project = (pass: Pass, hidden: Tensor) =>
    matMul(hidden, pass.weight(weight.name), { transposeB: true });

  /** Cross-entropy of a chunk's targets; its gradient is that of `project`'s result. */
  const classify = (
    pass: Pass,
    hidden: Tensor,
    labels: Int32Array,
    { start, count }: Chunk,
  ): CrossEntropy => {
    const projected = project(pass, slice(hidden, 0, start, count));
    const chunkLabels = labels.subarray(start, start + count);
    if (bound === null) return crossEntropy(projected, chunkLabels);
    const { output, bounded } = bound.forward(projected);
    const { loss, gradient } = crossEntropy(output, chunkLabels);
    return { loss, gradient: bound.backward(bounded, gradient) };
  };

  return {
    parameters: norm.parameters,
    weight,

    forward(pass, input, { rows, labels }) {
      const { output: hidden, saved: savedNorm } = norm.forward(pass, gatherRows(input, ints(rows)));
      const logps = new Float32Array(rows.length);
      const chunks = chunksOf(rows.length, targetsPerChunk);
      const keep = chunks.length === 1;
      let logitsGradient: Tensor | null = null;
      for (const chunk of chunks) {
        logitsGradient = scope(() => {
          const { loss, gradient } = classify(pass, hidden, labels, chunk);
          logps.set(
            read(loss).map((value) => -value),
            chunk.start,
          );
          return keep ? gradient : null;
        });
      }
      return { logps, saved: { norm: savedNorm, hidden, logitsGradient } };
    },

    backward(pass, saved, { rows, labels }, logpGradients, trainsWeight, emit) {
      const { norm: savedNorm, hidden, logitsGradient } = saved;
      // logp = −crossEntropy. Scaling the rows of the small `hidden` spares scaling those of the large logits.
      const scale = floats(
        [rows.length, 1],
        logpGradients.map((value) => -value),
      );
      const scaledHidden = multiply(hidden, scale);
      const hiddenGradients: Tensor[] = [];
      let weightGradient: Tensor | null = null;
      for (const chunk of chunksOf(rows.length, targetsPerChunk)) {
        const { start, count } = chunk;
        const [ofWeight, ofHidden] = scope((): [Tensor | null, Tensor] => {
          const ofLogits = logitsGradient ?? classify(pass, hidden, labels, chunk).gradient;
          return [
            trainsWeight
              ? matMul(ofLogits, slice(scaledHidden, 0, start, count), { transposeA: true })
              : null,
            matMul(ofLogits, pass.weight(weight.name)),
          ];
        });
        hiddenGradients.push(ofHidden);
        weightGradient = addInto(weightGradient, ofWeight);
      }
      const dHidden = multiply(concat(hiddenGradients, 0), scale);
      const dGathered = norm.backward(pass, savedNorm, dHidden, emit);
      return {
        inputGradient: addRowsTo(zeros([pass.batch * pass.length, hidden.shape[1]!]), rows, dGathered),
        weightGradient,
      };
    },

    hidden: (pass, input, rows) => norm.forward(pass, gatherRows(input, ints(rows))).output,

    logits(pass, input, rows) {
      const projected = project(pass, norm.forward(pass, gatherRows(input, ints(rows))).output);
      return bound === null ? projected : bound.forward(projected).output;
    },
  };
}

/** total + x, where either may be missing. Uses up both. */
function addInto(total: Tensor | null, x: Tensor | null): Tensor | null {
  if (total === null || x === null) return total ?? x;
  const sum = addTo(total, x);
  dispose(x);
  return sum;
}

interface Chunk {
  readonly start: number;
  readonly count: number;
}

function chunksOf(total: number, size: number): Chunk[] {
  return Array.from({ length: Math.ceil(total / size) }, (_, index) => ({
    start: index * size,
    count: Math.min(size, total - index * size),
  }));
}
