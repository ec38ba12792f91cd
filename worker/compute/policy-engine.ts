import type { StageConfig } from '../../lib/config/types.js';
import { requireResolved } from '../../lib/methods/weights.js';
import type { NodePart } from '../collective/collective.js';
import { objectiveOf } from '../losses/methods.js';
import { generateTokens, type GeneratedToken, type GenerateOptions } from '../inference/generate.js';
import {
  required,
  type BatchCounts,
  type BatchStatistics,
  type Objective,
  type UnitTerm,
} from '../losses/objective.js';
import { activationBytes } from '../model/activation-budget.js';
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
import type { AdamWSettings, StepScale } from '../optimizer/adamw.js';
import { blockSquareSums } from '../optimizer/gradient-norm.js';
import { bySegment, FlatBuffer } from '../parameters/flat-buffer.js';
import { BLOCK_SIZE, intersect, type ParameterLayout, type Range } from '../parameters/layout.js';
import { momentsOf, pieceOf, type HeldParts } from '../parameters/optimizer-part.js';
import { GRADIENT_SLOT } from '../reduction/tree.js';
import type { EngineThread } from './engine-thread.js';
import { GradientSlot, leafSink, type LeafTarget } from './gradient-slot.js';
import type { PartWork } from './part-work.js';
import { PassedLeaves } from './passed-leaves.js';
import type { ReferenceAnswer } from '../reference/answer.js';
import { judgedCompletion, scoredCompletion, type Judgement } from './scored-completion.js';
import { SideThreads } from './side-threads.js';

export interface OpenPolicy {
  readonly stage: StageConfig & { readonly model: string };
}

/** One of the two buffers of weights. */
export type WeightsIndex = 0 | 1;

/** The weights that are current, and what this rank holds of the optimizer. */
export interface TrainingState {
  readonly weights: WeightsIndex;
  readonly parts: HeldParts;
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

/** One micro-batch (leaf), with all that its losses depend on. */
export interface LeafInputs {
  readonly examples: readonly LeafExample[];
  readonly statistics: BatchStatistics;
  readonly counts: BatchCounts;
}

/** One leaf and where its gradient goes. */
export interface LeafTask extends LeafInputs, LeafTarget {}

/** A micro-batch, and other completions of its prompts. */
export interface BranchedLeaf {
  readonly own: readonly Sequence[];
  readonly branches: readonly Sequence[];
  /** Keep what the micro-batch's gradient can start from. */
  readonly holds: boolean;
}

/** Prompts to continue, and by which weights. */
export interface SamplingTask {
  readonly weights: WeightsIndex;
  readonly prompts: readonly Int32Array[];
  readonly options: GenerateOptions;
}

/** The offset of a tensor that is final in the node which the leaf completes. */
export type TensorFinal = number;

/** The engine's thread, seen from the main thread. */
export type PolicyThread = EngineThread<OpenPolicy, PolicyEngine, TensorFinal>;

export interface ExampleTerm {
  /** This example's share of the batch's loss. */
  readonly loss: number;
  /** Per completion. */
  readonly logps: readonly number[];
  /** Per completion; null for a method without rewards. */
  readonly rewards: readonly (number | null)[];
}

/** Float32 copies over the owned part, for a checkpoint to be written from while training goes on. */
export interface OwnedCopy {
  readonly weights: SharedArrayBuffer;
  readonly mean: SharedArrayBuffer;
  readonly variance: SharedArrayBuffer;
}

/**
 * The policy on the compute thread: forward and backward of micro-batches, the sum of their gradients, and AdamW on the
 * part of the parameters that this rank owns. It scores with the stage's starting weights until it is given a state.
 */
export class PolicyEngine {
  private readonly loaded: LoadedModel;
  private readonly layout: ParameterLayout;
  private readonly model: LanguageModel;
  private readonly critic: Critic | null;
  private readonly objective: Objective;
  private readonly weights: readonly [FlatBuffer, FlatBuffer];
  private readonly bound: readonly [BoundWeights, BoundWeights];
  private readonly activationBytes: number;
  private readonly adamW: AdamWSettings;
  private readonly slots: GradientSlot[] = [];
  /** Of the current weights. */
  private readonly passed = new PassedLeaves();
  private parts: HeldParts | null = null;
  private current: WeightsIndex = 0;
  private proposed: StepScale | null = null;
  private sampling: Generator<GeneratedToken, void, undefined> | null = null;

  /**
   * @param onFinal called during `leafGradient`
   * @param threads that finish the gradient's sum and update the weights
   */
  constructor(
    private readonly options: OpenPolicy,
    private readonly onFinal: (tensor: TensorFinal) => void = () => undefined,
    private readonly threads = new SideThreads(1),
  ) {
    this.objective = objectiveOf(requireResolved(options.stage.objective));
    this.activationBytes = activationBytes(options.stage.activationMemoryGib);
    const { adamBeta1, adamBeta2, adamEpsilon } = options.stage;
    this.adamW = { adamBeta1, adamBeta2, adamEpsilon };
    const loaded = this.load();
    const next = FlatBuffer.allocate(loaded.layout);
    this.loaded = loaded;
    this.layout = loaded.layout;
    this.model = loaded.model;
    this.critic = loaded.critic;
    this.weights = [loaded.buffer, next];
    this.bound = [loaded.weights, this.model.bind(next)];
  }

  opened(): OpenedPolicy {
    return { layout: this.layout, weights: [this.weights[0].memory, this.weights[1].memory] };
  }

  /** Writes the stage's starting weights into one of the buffers. */
  loadInitial(into: WeightsIndex): void {
    this.passed.forget();
    const fresh = this.load();
    const whole = { start: 0, end: this.layout.size };
    const targets = this.weights[into].slices(whole);
    fresh.buffer.slices(whole).forEach((values, segment) => targets[segment]!.set(values));
    fresh.weights.dispose();
    fresh.model.dispose();
  }

  /** From now on this is the state that steps start from; a step that was proposed before is dropped. */
  takeState({ weights, parts }: TrainingState): void {
    this.passed.forget();
    this.current = weights;
    this.parts = parts;
    this.proposed = null;
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

  /**
   * As `score`, of other completions of a micro-batch's prompts, which are computed once. What it learns of the micro-batch
   * itself, `leafGradient` and `leafTerms` need not compute again: with the same bits.
   */
  scoreBranches({ own, branches, holds }: BranchedLeaf): readonly CompletionLogps[] {
    const weights = this.bound[this.current];
    let ofBranches: readonly Float32Array[];
    if (holds) {
      this.passed.forget();
      const forward = this.model.hold(weights, own, { branches, activationBytes: this.activationBytes });
      this.passed.hold(own, forward);
      ofBranches = forward.branchLogps;
    } else {
      const logps = this.model.branchedLogps(weights, own, branches);
      this.passed.note(own, logps.trunks);
      ofBranches = logps.branches;
    }
    return ofBranches.map((logps) => completionLogps(logps, this.objective.tokenLevel));
  }

  /** The critic's value of every completion token of one micro-batch under the current weights, by sequence. */
  values(sequences: readonly Sequence[]): readonly Float32Array[] {
    const critic = required(this.critic, 'a critic');
    const weights = this.bound[this.current];
    return this.model.readStates(weights, sequences, (states) => critic.values(weights, states));
  }

  /** Losses of one micro-batch under the current weights, without gradient: bit for bit those of `leafGradient`. */
  leafTerms(inputs: LeafInputs): readonly ExampleTerm[] {
    const weights = this.bound[this.current];
    const sequences = sequencesOf(inputs);
    const known = this.critic === null ? this.passed.takeLogps(sequences) : null;
    if (known !== null) return this.judge(inputs, known, undefined).terms;
    return this.model.readScores(
      weights,
      sequences,
      (tokenLogps, states) => this.judge(inputs, tokenLogps, this.critic?.values(weights, states)).terms,
    );
  }

  /** Loss and gradient of one micro-batch. */
  leafGradient(task: LeafTask): readonly ExampleTerm[] {
    let terms: readonly ExampleTerm[] = [];
    const sink = leafSink(
      (index) => this.slot(index),
      task,
      ({ offset }) => this.onFinal(offset),
    );
    const weights = this.bound[this.current];
    const lossGradient = (
      tokenLogps: readonly Float32Array[],
      states: TokenStates,
    ): readonly LogpGradient[] => {
      const judged = this.judge(task, tokenLogps, this.critic?.values(weights, states));
      terms = judged.terms;
      this.critic?.backward(
        states,
        judged.unitTerms.flatMap(({ valueGradients }) => required(valueGradients, 'gradients of the values')),
        sink,
      );
      return judged.unitTerms.flatMap(({ gradients }) => gradients);
    };
    const sequences = sequencesOf(task);
    const { activationBytes } = this;
    const forward =
      this.passed.takeForward(sequences) ?? this.model.hold(weights, sequences, { activationBytes });
    try {
      forward.backward(lossGradient, sink);
    } finally {
      forward.dispose();
    }
    return terms;
  }

  /** From now on `nextToken` draws from these weights, which must not be written until `endSampling`. */
  beginSampling({ weights, prompts, options }: SamplingTask): void {
    const { description } = this.loaded;
    const model = { description, model: this.model, weights: this.bound[weights] };
    this.sampling = generateTokens(model, prompts, options);
  }

  /** The next token of one of the replies; null where all have ended. */
  nextToken(): GeneratedToken | null {
    return required(this.sampling, 'prompts to continue').next().value ?? null;
  }

  /** Frees what the replies were computed with, whether they have ended or not. */
  endSampling(): void {
    this.sampling?.return();
    this.sampling = null;
  }

  /** Whether what a slot holds is finite, and so every leaf that was summed in it. */
  isFinite(slot: number): boolean {
    const slices = this.slot(slot).buffer.slices({ start: 0, end: this.layout.size });
    return blockSquareSums(slices).every(Number.isFinite);
  }

  /** Name of the first parameter whose gradient over the whole batch is not finite in the owned part; null for none. */
  nonFiniteParameter(): string | null {
    const { owned } = required(this.parts, 'a state to train from');
    const isSound = (piece: Range) =>
      this.gradient.slices(piece).every((values) => values.every(Number.isFinite));
    return this.tensorsIn(owned.range).find((piece) => !isSound(piece))?.name ?? null;
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
    const { owned } = required(this.parts, 'a state to train from');
    const blocksBefore = (element: number) => (element - owned.range.start) / BLOCK_SIZE;
    const bytes = blocksBefore(owned.range.end) * Float64Array.BYTES_PER_ELEMENT;
    const squares = new Float64Array(new SharedArrayBuffer(bytes));
    const valuesOf = ({ node, memory }: NodePart, range: Range): Float32Array =>
      memory === null
        ? this.slot(localSlots.get(node.firstLeaf) ?? -1).buffer.slices(range)[0]!
        : pieceOf(owned, memory, range);
    this.threads.share(owned.range, (piece) =>
      bySegment(this.layout, piece).map((range): PartWork => ({
        kind: 'finish',
        nodes: parts.map((part) => ({ node: part.node, values: valuesOf(part, range) })),
        leafCount,
        into: this.gradient.slices(range)[0]!,
        squares: squares.subarray(blocksBefore(range.start), blocksBefore(range.end)),
      })),
    );
    // Bytes of their own, as the collective sends them.
    return Float64Array.from(squares);
  }

  /** Writes the owned part's new weights beside the current ones; returns the index of the buffer that holds them. */
  proposeWeights(scale: StepScale): WeightsIndex {
    const { owned } = required(this.parts, 'a state to train from');
    const to = this.current === 0 ? 1 : 0;
    const [weights, next] = [this.weights[this.current], this.weights[to]];
    this.threads.share(owned.range, (piece) =>
      this.tensorsIn(piece).map(({ shape, start, end }): PartWork => {
        const range = { start, end };
        return {
          kind: 'propose',
          weights: weights.slices(range)[0]!,
          gradient: this.gradient.slices(range)[0]!,
          into: next.slices(range)[0]!,
          moments: momentsOf(owned, range),
          settings: this.adamW,
          // Biases and norms, the vectors among the parameters, are not decayed, as in `transformers`.
          weightDecay: shape.length >= 2 ? this.options.stage.weightDecay : 0,
          scale,
        };
      }),
    );
    this.proposed = scale;
    return to;
  }

  /** The proposed weights become current, and the moments of all held parts take the gradient in. */
  commit(): WeightsIndex {
    if (this.proposed === null) throw new Error('a step was committed that was not computed');
    this.passed.forget();
    const { owned, backup } = required(this.parts, 'a state to train from');
    const common = { kind: 'fold', settings: this.adamW, clip: this.proposed.clip } as const;
    this.threads.share(owned.range, (piece) =>
      bySegment(this.layout, piece).map((range): PartWork => ({
        ...common,
        gradient: this.gradient.slices(range)[0]!,
        moments: momentsOf(owned, range),
      })),
    );
    if (backup !== null)
      this.threads.share(backup.range, (piece) => [
        { ...common, gradient: pieceOf(backup, backup.gradient, piece), moments: momentsOf(backup, piece) },
      ]);
    this.proposed = null;
    this.current = this.current === 0 ? 1 : 0;
    return this.current;
  }

  copyOwned(into: OwnedCopy): void {
    const { owned } = required(this.parts, 'a state to train from');
    const weights = this.weights[this.current];
    for (const piece of bySegment(this.layout, owned.range))
      pieceOf(owned, into.weights, piece).set(weights.slices(piece)[0]!);
    new Float32Array(into.mean).set(new Float32Array(owned.mean));
    new Float32Array(into.variance).set(new Float32Array(owned.variance));
  }

  save(weights: WeightsIndex, directory: string): void {
    this.loaded.save(this.weights[weights], directory);
  }

  dispose(): void {
    this.endSampling();
    this.passed.forget();
    for (const resource of [...this.bound, ...this.slots, this.model]) resource.dispose();
  }

  /** What the objective makes of a micro-batch that the policy has scored. */
  private judge(
    inputs: LeafInputs,
    tokenLogps: readonly Float32Array[],
    criticValues: readonly Float32Array[] | undefined,
  ): { readonly unitTerms: readonly UnitTerm[]; readonly terms: readonly ExampleTerm[] } {
    const scores = tokenLogps.map((logps) => completionLogps(logps, this.objective.tokenLevel)).values();
    const values = criticValues?.values();
    const units = inputs.examples.map((example) =>
      example.completions.map((sequence, i) =>
        scoredCompletion(
          judgedCompletion(sequence, example, values?.next().value ?? null),
          scores.next().value!,
          example.reference?.completions[i] ?? null,
        ),
      ),
    );
    const unitTerms = units.map((unit) => this.objective.term(unit, inputs));
    const terms = unitTerms.map(({ loss, rewards }, i) => ({
      loss,
      logps: units[i]!.map(({ logp }) => logp),
      rewards,
    }));
    return { unitTerms, terms };
  }

  private slot(index: number): GradientSlot {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error(`gradient slot ${index} was not reserved`);
    return slot;
  }

  /** Where the batch's gradient comes to lie, on the owned part. */
  private get gradient(): FlatBuffer {
    return this.slot(GRADIENT_SLOT).buffer;
  }

  /** What of each tensor lies in a range. */
  private tensorsIn(range: Range): (Range & { readonly name: string; readonly shape: readonly number[] })[] {
    return this.layout.tensors
      .map(({ name, shape, offset, size }) => ({
        name,
        shape,
        ...intersect({ start: offset, end: offset + size }, range),
      }))
      .filter(({ start, end }) => start < end);
  }

  private load(): LoadedModel {
    const { stage } = this.options;
    return loadModel(stage.model, adapterOf(stage), { withCritic: this.objective.needsCritic });
  }
}

/** All completions of a leaf, which are computed together. */
function sequencesOf({ examples }: LeafInputs): Sequence[] {
  return examples.flatMap(({ completions }) => completions);
}

/** What is trained instead of the model itself. */
function adapterOf({ lora, adapter, seed }: StageConfig): AdapterSource | null {
  if (lora !== null) return { fresh: lora, seed };
  return adapter === null ? null : { directory: adapter };
}
