import type { StageConfig } from '../../lib/config/types.js';
import { requireResolved } from '../../lib/methods/weights.js';
import type { NodePart } from '../collective/collective.js';
import { objectiveOf } from '../losses/methods.js';
import { required, type BatchCounts, type BatchStatistics, type Objective } from '../losses/objective.js';
import { completionLogps, type CompletionLogps } from '../model/completion-logps.js';
import type { Critic } from '../model/critic.js';
import type {
  BoundWeights,
  LanguageModel,
  LogpGradient,
  Sequence,
  TokenStates,
} from '../model/language-model.js';
import { loadModel, type AdapterSource, type LoadedModel } from '../model/load.js';
import {
  foldGradient,
  proposeWeights,
  zeroMoments,
  type Moments,
  type StepScale,
} from '../optimizer/adamw.js';
import { blockSquareSums } from '../optimizer/gradient-norm.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { ownedRange, type ParameterLayout, type Range } from '../parameters/layout.js';
import { finishTree } from '../reduction/finish-tree.js';
import type { TreeNode } from '../reduction/tree.js';
import { SumMemory } from '../simd/sum-memory.js';
import { GradientSlot, leafSink, type LeafTarget } from './gradient-slot.js';
import type { ReferenceAnswer } from '../reference/answer.js';
import { judgedCompletion, scoredCompletion, type Judgement } from './scored-completion.js';

export interface OpenPolicy {
  readonly stage: StageConfig & { readonly model: string };
  readonly rank: number;
  readonly worldSize: number;
}

/** What the main thread needs to send and receive parameters: the layout, and the memory of both weight buffers. */
export interface OpenedPolicy {
  readonly layout: ParameterLayout;
  readonly weights: readonly [readonly SharedArrayBuffer[], readonly SharedArrayBuffer[]];
}

/** An example with all that its loss depends on. */
export interface LeafExample extends Judgement {
  /** One, or the chosen and the rejected one. */
  readonly completions: readonly Sequence[];
  /** Null for a method without a reference. */
  readonly reference: ReferenceAnswer | null;
}

/** One micro-batch (leaf) and where its gradient goes. */
export interface LeafTask extends LeafTarget {
  readonly examples: readonly LeafExample[];
  readonly statistics: BatchStatistics;
  readonly counts: BatchCounts;
}

/** The offset of a tensor that is final in the node which the leaf completes. */
export type TensorFinal = number;

export interface ExampleTerm {
  /** This example's share of the batch's loss. */
  readonly loss: number;
  /** Per completion. */
  readonly logps: readonly number[];
  /** Per completion; null for a method without rewards. */
  readonly rewards: readonly (number | null)[];
}

/** A tensor's owned piece in every array that the update touches. */
interface OwnedPiece {
  readonly weights: readonly [Float32Array, Float32Array];
  readonly gradient: Float32Array;
  readonly moments: Moments;
  readonly weightDecay: number;
}

/**
 * The policy on the compute thread: forward and backward of micro-batches, the sum of their gradients, and AdamW on the
 * part of the parameters that this rank owns.
 */
export class PolicyEngine {
  private readonly loaded: LoadedModel;
  private readonly layout: ParameterLayout;
  private readonly model: LanguageModel;
  private readonly critic: Critic | null;
  private readonly objective: Objective;
  private readonly weights: readonly [FlatBuffer, FlatBuffer];
  private readonly bound: readonly [BoundWeights, BoundWeights];
  private readonly slots: GradientSlot[] = [];
  private readonly owned: Range;
  /** The whole batch's gradient on the owned part, cut where that crosses a segment of the flat space. */
  private readonly gradient: readonly SumMemory[];
  private readonly moments: Moments;
  private readonly pieces: readonly OwnedPiece[];
  private current: 0 | 1 = 0;
  private proposed: StepScale | null = null;

  /** @param onFinal called during `leafGradient` */
  constructor(
    private readonly options: OpenPolicy,
    private readonly onFinal: (tensor: TensorFinal) => void = () => undefined,
  ) {
    const { stage, rank, worldSize } = options;
    this.objective = objectiveOf(requireResolved(stage.objective));
    const loaded = loadModel(stage.model, adapterOf(stage), { withCritic: this.objective.needsCritic });
    const next = FlatBuffer.allocate(loaded.layout);
    this.loaded = loaded;
    this.layout = loaded.layout;
    this.model = loaded.model;
    this.critic = loaded.critic;
    this.weights = [loaded.buffer, next];
    this.bound = [loaded.weights, this.model.bind(next)];
    this.owned = ownedRange(this.layout, rank, worldSize);
    const ownedSize = this.owned.end - this.owned.start;
    this.gradient = this.weights[0].slices(this.owned).map(({ length }) => new SumMemory(length));
    this.moments = zeroMoments(ownedSize);
    this.pieces = this.ownedPieces(stage.weightDecay);
  }

  opened(): OpenedPolicy {
    return { layout: this.layout, weights: [this.weights[0].memory, this.weights[1].memory] };
  }

  /** Makes at least `count` gradient slots; returns the memory of all of them. */
  reserveSlots(count: number): readonly (readonly SharedArrayBuffer[])[] {
    while (this.slots.length < count) this.slots.push(new GradientSlot(this.layout));
    return this.slots.map((slot) => slot.buffer.memory);
  }

  /** Log-probs of one micro-batch under the current weights, without gradient; by token where the method needs them. */
  score(sequences: readonly Sequence[]): readonly CompletionLogps[] {
    const tokenLogps = this.model.tokenLogps(this.bound[this.current], sequences);
    return tokenLogps.map((logps) => completionLogps(logps, this.objective.tokenLevel));
  }

  /** The critic's value of every completion token of one micro-batch under the current weights, by sequence. */
  values(sequences: readonly Sequence[]): readonly Float32Array[] {
    const critic = required(this.critic, 'a critic');
    const weights = this.bound[this.current];
    return this.model.readStates(weights, sequences, (states) => critic.values(weights, states));
  }

  /** Loss and gradient of one micro-batch. */
  leafGradient(task: LeafTask): readonly ExampleTerm[] {
    let terms: ExampleTerm[] = [];
    const { tokenLevel } = this.objective;
    const sink = leafSink(
      (index) => this.slot(index),
      task,
      ({ offset }) => this.onFinal(offset),
    );
    const weights = this.bound[this.current];
    const sequences = task.examples.flatMap(({ completions }) => completions);
    const lossGradient = (
      tokenLogps: readonly Float32Array[],
      states: TokenStates,
    ): readonly LogpGradient[] => {
      const scores = tokenLogps.map((logps) => completionLogps(logps, tokenLevel)).values();
      const values = this.critic?.values(weights, states).values();
      const units = task.examples.map((example) =>
        example.completions.map((sequence, i) =>
          scoredCompletion(
            judgedCompletion(sequence, example, values?.next().value ?? null),
            scores.next().value!,
            example.reference?.completions[i] ?? null,
          ),
        ),
      );
      const unitTerms = units.map((unit) => this.objective.term(unit, task));
      terms = unitTerms.map(({ loss, rewards }, i) => ({
        loss,
        logps: units[i]!.map(({ logp }) => logp),
        rewards,
      }));
      this.critic?.backward(
        states,
        unitTerms.flatMap(({ valueGradients }) => required(valueGradients, 'gradients of the values')),
        sink,
      );
      return unitTerms.flatMap(({ gradients }) => gradients);
    };
    this.model.forwardBackward(weights, sequences, lossGradient, sink);
    return terms;
  }

  /** Adds one finished subtree's gradient to its left neighbour's. */
  mergeSlots(from: number, into: number): void {
    this.slot(into).add(this.slot(from));
  }

  /**
   * Finishes the sum over all leaves on the owned part; returns the sums of squares of its blocks.
   *
   * @param localSlots slot of each local node, by the node's first leaf
   */
  finishGradient(
    parts: readonly NodePart[],
    localSlots: ReadonlyMap<number, number>,
    leafCount: number,
  ): Float64Array {
    const valuesOf = ({ node, memory }: NodePart): Float32Array[] =>
      memory === null
        ? this.slot(localSlots.get(node.firstLeaf) ?? -1).buffer.slices(this.owned)
        : this.splitLikeOwned(new Float32Array(memory, 0, this.owned.end - this.owned.start));
    const nodes = parts.map((part) => ({ node: part.node, slices: valuesOf(part) }));
    this.gradient.forEach((into, index) => {
      const values = nodes.map(({ node, slices }): { node: TreeNode; values: Float32Array } => ({
        node,
        values: slices[index]!,
      }));
      finishTree(values, leafCount, into);
    });
    return blockSquareSums(this.gradient.map(({ values }) => values));
  }

  /** Writes the owned part's new weights beside the current ones; returns the index of the buffer that holds them. */
  proposeWeights(scale: StepScale): number {
    const from = this.current;
    const to = from === 0 ? 1 : 0;
    for (const { weights, gradient, moments, weightDecay } of this.pieces) {
      const arrays = { weights: weights[from], gradient, into: weights[to] };
      proposeWeights(arrays, moments, { ...this.options.stage, weightDecay }, scale);
    }
    this.proposed = scale;
    return to;
  }

  /** The proposed weights become current, and the moments take the gradient in. */
  commit(): void {
    if (this.proposed === null) throw new Error('a step was committed that was not computed');
    for (const { gradient, moments } of this.pieces)
      foldGradient(gradient, moments, this.options.stage, this.proposed.clip);
    this.proposed = null;
    this.current = this.current === 0 ? 1 : 0;
  }

  save(directory: string): void {
    this.loaded.save(this.weights[this.current], directory);
  }

  dispose(): void {
    for (const resource of [...this.bound, ...this.slots, this.model]) resource.dispose();
  }

  private slot(index: number): GradientSlot {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error(`gradient slot ${index} was not reserved`);
    return slot;
  }

  /** Views of an owned-part array, cut where the owned part crosses a segment of the flat space. */
  private splitLikeOwned(values: Float32Array): Float32Array[] {
    let start = 0;
    return this.gradient.map(({ values: { length } }) => values.subarray(start, (start += length)));
  }

  /** The batch's gradient on a range of the owned part that no segment cuts. */
  private gradientOf({ start, end }: Range): Float32Array {
    let from = this.owned.start;
    const slice = this.gradient.find(({ values: { length } }) => start < (from += length))!.values;
    return slice.subarray(start - (from - slice.length), end - (from - slice.length));
  }

  private ownedPieces(weightDecay: number): OwnedPiece[] {
    const pieces: OwnedPiece[] = [];
    for (const { shape, offset, size } of this.layout.tensors) {
      const start = Math.max(offset, this.owned.start);
      const end = Math.min(offset + size, this.owned.end);
      if (start >= end) continue;
      const [a] = this.weights[0].slices({ start, end });
      const [b] = this.weights[1].slices({ start, end });
      const part = (values: Float32Array) =>
        values.subarray(start - this.owned.start, end - this.owned.start);
      pieces.push({
        weights: [a!, b!],
        gradient: this.gradientOf({ start, end }),
        moments: { mean: part(this.moments.mean), variance: part(this.moments.variance) },
        // Biases and norms, the vectors among the parameters, are not decayed, as in `transformers`.
        weightDecay: shape.length >= 2 ? weightDecay : 0,
      });
    }
    return pieces;
  }
}

/** What is trained instead of the model itself. */
function adapterOf({ lora, adapter, seed }: StageConfig): AdapterSource | null {
  if (lora !== null) return { fresh: lora, seed };
  return adapter === null ? null : { directory: adapter };
}
