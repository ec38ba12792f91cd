import type { TensorSpec } from '../parameters/layout.js';
import { elementsAt, labelLogps } from '../tensorflow/cross-entropy.js';
import { addRowsTo, addTo } from '../tensorflow/in-place.js';
import { add, concat, gatherRows, matMul, multiply, slice, transpose, zeros } from '../tensorflow/ops.js';
import { BYTES_PER_VALUE, dispose, floats, ints, read, scope, type Tensor } from '../tensorflow/tensor.js';
import type { EmitGradient, Module, Pass } from './module.js';
import { softcap } from './softcap.js';

/** Targets whose logits are in memory at a time. A constant: another number gives other bits. */
const TARGETS_PER_CHUNK = 256;
/** What more targets were scored by is computed again by the backward: it would be larger than all else. */
const MOST_KEPT_TARGETS = 1024;

/** What is scored: row `rows[i]` of the activations predicts token `labels[i]`. */
export interface Targets {
  readonly rows: Int32Array;
  readonly labels: Int32Array;
}

/**
 * What a chunk of targets was scored by. Of target i, with logits z and its label's projection at slope s:
 * d logp / d projection = s · onehot(label) − shares[:, i] / total.
 */
interface Scores {
  readonly logps: Float32Array;
  /** [vocabulary, targets] */
  readonly shares: Tensor;
  readonly totals: Float32Array;
  /** Null where logits are projections: each is 1. */
  readonly labelSlopes: Float32Array | null;
}

interface Saved<Norm> {
  readonly norm: Norm;
  /** Normalized activations of the targets, [targets, hidden]. */
  readonly hidden: Tensor;
  /** Of each chunk; null where the backward computes them again. */
  readonly scores: readonly (Scores | null)[];
}

/** From the last activations to the log-probs of the targets: norm, product with the vocabulary's weight, softmax. */
export interface Head<Norm = unknown> {
  /** Without the vocabulary's weight, which may be the embedding's. */
  readonly parameters: readonly TensorSpec[];
  /** [vocabulary, hidden] */
  readonly weight: TensorSpec;
  /** Bytes of what so many targets are scored by, where it may be kept; otherwise 0. */
  keptBytes(targets: number): number;
  /**
   * Log-probs of the targets, in their order.
   *
   * @param keepsScores whether what they are scored by is kept for the backward, where it may be
   */
  forward(
    pass: Pass,
    input: Tensor,
    targets: Targets,
    keepsScores: boolean,
  ): { logps: Float32Array; saved: Saved<Norm> };
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

  /** Before they are bounded, [vocabulary, rows]. */
  const project = (pass: Pass, hidden: Tensor) =>
    matMul(pass.weight(weight.name), hidden, { transposeB: true });

  const score = (pass: Pass, hidden: Tensor, labels: Int32Array): Scores => {
    const projected = project(pass, hidden);
    if (bound === null) {
      const { logps, exponentials, totals } = labelLogps(projected, labels);
      return { logps, shares: exponentials, totals, labelSlopes: null };
    }
    const { output, bounded } = bound.forward(projected);
    const { logps, exponentials, totals } = labelLogps(output, labels);
    const shares = bound.backward(bounded, exponentials);
    const labelSlopes = read(elementsAt(bounded, labels)).map((value) => 1 - value * value);
    return { logps, shares, totals, labelSlopes };
  };

  /** The gradients of a chunk's hidden states and of the vocabulary's weight, from those of its log-probs. */
  const scoreBackward = (
    pass: Pass,
    { shares, totals, labelSlopes }: Scores,
    { hidden, labels, logpGradients }: ScoredChunk,
    trainsWeight: boolean,
  ): [ofHidden: Tensor, ofWeight: Tensor | null] => {
    const vocabulary = pass.weight(weight.name);
    const toLabel = column(logpGradients.map((gradient, i) => gradient * (labelSlopes?.[i] ?? 1)));
    const toAll = column(logpGradients.map((gradient, i) => -gradient / totals[i]!));
    const ofHidden = add(
      multiply(gatherRows(vocabulary, ints(labels)), toLabel),
      multiply(matMul(shares, vocabulary, { transposeA: true }), toAll),
    );
    if (!trainsWeight) return [ofHidden, null];
    const ofWeight = matMul(shares, multiply(hidden, toAll));
    return [ofHidden, addRowsTo(ofWeight, labels, multiply(hidden, toLabel))];
  };

  return {
    parameters: norm.parameters,
    weight,

    keptBytes: (targets) => (mayKeep(targets) ? BYTES_PER_VALUE * weight.shape[0]! * targets : 0),

    forward(pass, input, { rows, labels }, keepsScores) {
      const { output: hidden, saved: savedNorm } = norm.forward(pass, gatherRows(input, ints(rows)));
      const logps = new Float32Array(rows.length);
      const keeps = keepsScores && mayKeep(rows.length);
      const scores = chunksOf(rows.length, targetsPerChunk).map(({ start, count }) =>
        scope(() => {
          const ofChunk = score(pass, slice(hidden, 0, start, count), labels.subarray(start, start + count));
          logps.set(ofChunk.logps, start);
          return keeps ? ofChunk : null;
        }),
      );
      return { logps, saved: { norm: savedNorm, hidden, scores } };
    },

    backward(pass, saved, { rows, labels }, logpGradients, trainsWeight, emit) {
      const { norm: savedNorm, hidden, scores } = saved;
      const hiddenGradients: Tensor[] = [];
      let weightGradient: Tensor | null = null;
      for (const [index, { start, count }] of chunksOf(rows.length, targetsPerChunk).entries()) {
        const [ofHidden, ofWeight] = scope(() => {
          const chunk = {
            hidden: slice(hidden, 0, start, count),
            labels: labels.subarray(start, start + count),
            logpGradients: logpGradients.subarray(start, start + count),
          };
          const ofChunk = scores[index] ?? score(pass, chunk.hidden, chunk.labels);
          return scoreBackward(pass, ofChunk, chunk, trainsWeight);
        });
        hiddenGradients.push(ofHidden);
        weightGradient = addInto(weightGradient, ofWeight);
      }
      const dGathered = norm.backward(pass, savedNorm, concat(hiddenGradients, 0), emit);
      return {
        inputGradient: addRowsTo(zeros([pass.arrangement.tokens, hidden.shape[1]!]), rows, dGathered),
        weightGradient,
      };
    },

    hidden: (pass, input, rows) => norm.forward(pass, gatherRows(input, ints(rows))).output,

    logits(pass, input, rows) {
      const projected = project(pass, norm.forward(pass, gatherRows(input, ints(rows))).output);
      return transpose(bound === null ? projected : bound.forward(projected).output, [1, 0]);
    },
  };
}

interface ScoredChunk {
  /** [targets, hidden] */
  readonly hidden: Tensor;
  readonly labels: Int32Array;
  /** dLoss/dlogp of each target */
  readonly logpGradients: Float32Array;
}

const mayKeep = (targets: number): boolean => targets <= MOST_KEPT_TARGETS;

const column = (values: Float32Array): Tensor => floats([values.length, 1], values);

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
