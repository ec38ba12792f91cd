import type { FlatBuffer } from '../parameters/flat-buffer.js';
import type { ParameterLayout, TensorPlace, TensorSpec } from '../parameters/layout.js';
import { recorded } from '../../lib/profile/recorder.js';
import { dispose, keep, read, scope, type Tensor } from '../tensorflow/tensor.js';
import { ActivationBudget, type KeptBlock } from './activation-budget.js';
import { attentionMask } from './attention-mask.js';
import { isTied, parametersOf, type Architecture } from './architecture.js';
import { batchOf, branchesOf, scored, type Batch, type ScoredBatch, type Sequence } from './batch.js';
import { BoundWeights } from './bound-weights.js';
import { splitBySequence, spreadOverTargets, type LogpGradient } from './by-sequence.js';
import type { Head, HeadGradients } from './head.js';
import { KeyValueCache, type AttentionMemory } from './key-value-cache.js';
import type { EmitGradient, Pass } from './module.js';
import { queryBlocks } from './query-blocks.js';
import { SharedPrompts } from './shared-prompts.js';

export type { BoundWeights, LogpGradient, Sequence };
export { KeyValueCache };

/** Receives gradients while the backward pass goes on. */
export interface GradientSink {
  /**
   * Called exactly once for every tensor of the layout, with the whole batch's gradient of it, from the last layer to the
   * first. `gradient` is freed on return.
   */
  add(place: TensorPlace, gradient: Tensor): void;
}

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

/** Maps the log-probs of the completion tokens, by sequence, to the loss's gradient of them. */
export type LossGradient = (
  tokenLogps: readonly Float32Array[],
  states: TokenStates,
) => readonly LogpGradient[];

/** A forward pass with what its backward needs. Whoever has it frees it. */
export interface HeldForward {
  readonly tokenLogps: Float32Array[];
  readonly branchLogps: Float32Array[];
  /** As `forwardBackward`; once. */
  backward(lossGradient: LossGradient, sink: GradientSink): void;
  dispose(): void;
}

/** What a forward pass is held with. */
export interface HoldOptions {
  /** Other completions of the sequences' prompts, of which the log-probs are wanted too. Default: none. */
  readonly branches?: readonly Sequence[];
  /** For activations; what does not fit is computed again by the backward. Default: as many as there are. */
  readonly activationBytes?: number;
}

interface WalkedBatch {
  readonly pass: Pass;
  readonly batch: ScoredBatch;
  /** What a profile says of its forward: ' of branches', or nothing. */
  readonly label: string;
}

/** What a held pass keeps, and gives away or frees piece by piece. */
interface Held {
  readonly shared: unknown[];
  /** Of each block that is trained, the lowest first. */
  readonly blocks: KeptBlock[];
  readonly scores: SavedScores[];
}

type SavedScores = ReturnType<Head['forward']>['saved'];

interface BegunPass {
  readonly pass: Pass;
  /** Tensors that all modules use. They belong to the open scope. */
  readonly shared: unknown[];
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
      const { pass } = this.beginPass(weights, batch);
      const output = this.forward(pass, batch);
      const { logps, saved } = this.scoreTargets({ pass, batch, label: '' }, output, false);
      return use(splitBySequence(batch, logps), { hidden: saved.hidden, counts: batch.targetCounts });
    });
  }

  /**
   * `tokenLogps` of the trunks, and of other completions of their prompts, which are computed from what attention made of
   * the prompts: the same as `tokenLogps` of these gives, but for rounding.
   *
   * @throws Error where a branch has the prompt of none of the trunks
   */
  branchedLogps(
    weights: BoundWeights,
    trunks: readonly Sequence[],
    branches: readonly Sequence[],
  ): { readonly trunks: Float32Array[]; readonly branches: Float32Array[] } {
    return scope(() => {
      const { walked } = this.beginWalk(weights, trunks, branches);
      const { outputs } = this.forwardSideBySide(walked, null);
      const [own, others] = walked;
      const ofTrunks = this.logpsOf(own, outputs[0]!);
      const ofBranches = others === undefined ? [] : this.logpsOf(others, outputs[1]!);
      return { trunks: ofTrunks, branches: ofBranches };
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
    lossGradient: LossGradient,
    sink: GradientSink,
  ): Float32Array[] {
    const forward = this.hold(weights, sequences);
    try {
      forward.backward(lossGradient, sink);
      return forward.tokenLogps;
    } finally {
      forward.dispose();
    }
  }

  /**
   * The forward pass of `forwardBackward`, to go back from later; with it the branches' log-probs, as `branchedLogps` has
   * them. The weights must stay as they are until then.
   */
  hold(
    weights: BoundWeights,
    sequences: readonly Sequence[],
    { branches = [], activationBytes = Infinity }: HoldOptions = {},
  ): HeldForward {
    return scope(() => {
      const { walked, shared } = this.beginWalk(weights, sequences, branches);
      const [own, others] = walked;
      const { blocks, head } = this.architecture;
      const budget = new ActivationBudget(activationBytes, {
        blocks: blocks.length - this.lowestBlock,
        scoresBytes: head.keptBytes(own.batch.targets.rows.length),
      });
      const { outputs, kept } = this.forwardSideBySide(walked, budget);
      const branchLogps = others === undefined ? [] : this.logpsOf(others, outputs[1]!);
      const { logps, saved: scores } = this.scoreTargets(own, outputs[0]!, budget.keepsScores);
      dispose(outputs);
      const held: Held = keep({ shared, blocks: kept, scores: [scores] });
      const tokenLogps = splitBySequence(own.batch, logps);
      return {
        tokenLogps,
        branchLogps,
        backward: (lossGradient, sink) => {
          scope(() => this.backwardFrom(own, held, (states) => lossGradient(tokenLogps, states), sink));
        },
        dispose: () => dispose([held.shared.splice(0), held.blocks.splice(0), held.scores.splice(0)]),
      };
    });
  }

  /** Gives `use` the states of the completion tokens, bit for bit those that `forwardBackward` has. */
  readStates<T>(weights: BoundWeights, sequences: readonly Sequence[], use: (states: TokenStates) => T): T {
    return scope(() => {
      const batch = scored(sequences, this.architecture);
      const { pass } = this.beginPass(weights, batch);
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
      const { pass } = this.beginPass(weights, batch);
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
      const { pass } = this.beginPass(weights, batch, cache);
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
  private beginPass(
    weights: BoundWeights,
    { arrangement }: Batch,
    memory: AttentionMemory | null = null,
  ): BegunPass {
    const { length } = arrangement;
    const past = memory?.length ?? 0;
    const rope = this.architecture.rope?.tables(past, length) ?? null;
    const blocks = queryBlocks(length);
    const masks = new Map(
      this.architecture.windows.map((window) => [
        window,
        blocks.map(({ start, end }) => attentionMask(end - start, window, past + start)),
      ]),
    );
    const pass: Pass = {
      arrangement,
      memory,
      weight: (name) => {
        const tensor = weights.find(name) ?? this.frozen?.find(name);
        if (tensor === undefined) throw new Error(`there is no weight ${name}`);
        return tensor;
      },
      rope,
      queryBlocks: blocks,
      masks: (window) => masks.get(window)!,
    };
    return { pass, shared: [rope, ...masks.values()] };
  }

  /** Through embedding and blocks, keeping one block's activations at a time. */
  private forward(pass: Pass, batch: Batch): Tensor {
    return this.forwardSideBySide([{ pass, batch, label: '' }], null).outputs[0]!;
  }

  /**
   * The same of several batches, of which later ones may need what a block made of earlier ones; with what the backward of
   * the first batch needs of each block that is trained, unless there is no backward: then `budget` is null.
   */
  private forwardSideBySide(
    walked: readonly (Pick<WalkedBatch, 'pass' | 'label'> & { readonly batch: Batch })[],
    budget: ActivationBudget | null,
  ): { readonly outputs: Tensor[]; readonly kept: KeptBlock[] } {
    const { embedding, blocks } = this.architecture;
    const kept: KeptBlock[] = [];
    let outputs = recorded('embedding forward', () =>
      walked.map(({ pass, batch }) => embedding.forward(pass, batch.ids)),
    );
    blocks.forEach((block, index) => {
      const inputs = outputs;
      const isKept = budget !== null && index >= this.lowestBlock;
      const forward = () => {
        const steps = walked.map(({ pass, label }, i) => {
          const own = () => block.forward(pass, inputs[i]!);
          return label === '' ? own() : recorded(`block forward${label}`, own, index);
        });
        const ofFirst = isKept ? budget.keep(index - this.lowestBlock, inputs[0]!, steps[0]!.saved) : null;
        return { outputs: steps.map(({ output }) => output), kept: ofFirst };
      };
      const step = recorded('block forward', () => scope(forward), index);
      dispose(isKept ? inputs.slice(1) : inputs);
      outputs = step.outputs;
      if (step.kept !== null) kept.push(step.kept);
    });
    return { outputs, kept };
  }

  /** The passes of sequences, and of other completions of their prompts behind it. */
  private beginWalk(
    weights: BoundWeights,
    sequences: readonly Sequence[],
    branches: readonly Sequence[],
  ): { readonly walked: readonly [WalkedBatch, ...WalkedBatch[]]; readonly shared: unknown[] } {
    const batch = scored(sequences, this.architecture);
    if (branches.length === 0) {
      const { pass, shared } = this.beginPass(weights, batch);
      return { walked: [{ pass, batch, label: '' }], shared };
    }
    const others = branchesOf(branches, sequences, this.architecture);
    const prompts = new SharedPrompts(batch.arrangement, others);
    const { pass, shared } = this.beginPass(weights, batch, prompts.ofTrunks);
    const { pass: branchPass } = this.beginPass(weights, others, prompts.ofBranches);
    const walked = [
      { pass, batch, label: '' },
      { pass: branchPass, batch: others, label: ' of branches' },
    ] as const;
    return { walked, shared };
  }

  /** Log-prob of every completion token, by sequence, from what came out of the last block. */
  private logpsOf(walked: WalkedBatch, output: Tensor): Float32Array[] {
    return scope(() => splitBySequence(walked.batch, this.scoreTargets(walked, output, false).logps));
  }

  /** What the head makes of the last block's output. */
  private scoreTargets(
    { pass, batch, label }: WalkedBatch,
    output: Tensor,
    keepsScores: boolean,
  ): ReturnType<Head['forward']> {
    const { head } = this.architecture;
    return recorded(`head forward${label}`, () =>
      scope(() => head.forward(pass, output, batch.targets, keepsScores)),
    );
  }

  private backwardFrom(
    { pass, batch }: WalkedBatch,
    held: Held,
    lossGradient: (states: TokenStates) => readonly LogpGradient[],
    sink: GradientSink,
  ): void {
    const { head } = this.architecture;
    const emit = emitter(this.places, sink);
    const [scores] = held.scores;
    if (scores === undefined) throw new Error('a forward pass is gone back from once');
    const states = { hidden: scores.hidden, counts: batch.targetCounts };
    const perTarget = spreadOverTargets(batch, lossGradient(states));
    const trainsHead = this.places.has(head.weight.name);
    const fromHead = recorded('head backward', () =>
      scope(() => head.backward(pass, scores, batch.targets, perTarget, trainsHead, emit)),
    );
    dispose(held.scores.splice(0));
    this.backward(pass, batch, held.blocks, fromHead, emit);
  }

  /** From the head's gradients down to the lowest block that is trained, taking each block's activations away and freeing them. */
  private backward(
    pass: Pass,
    batch: Batch,
    kept: KeptBlock[],
    { inputGradient, weightGradient }: HeadGradients,
    emit: EmitGradient,
  ): void {
    const { embedding, blocks, head } = this.architecture;
    const tied = isTied(this.architecture);
    if (!tied && weightGradient !== null) emit(head.weight.name, () => weightGradient);
    const gradient = blocks.slice(this.lowestBlock).reduceRight((upper, block, index) => {
      const { input, whole } = kept.at(-1)!;
      const number = this.lowestBlock + index;
      const forward = () => recorded('block forward again', () => block.forward(pass, input), number);
      const backward = () => block.backward(pass, (whole ?? forward()).saved, upper, emit);
      const lower = recorded('block backward', () => scope(backward), number);
      dispose([upper, kept.pop()]);
      return lower;
    }, inputGradient);
    if (this.trainsEmbedding) {
      recorded('embedding backward', () =>
        embedding.backward(pass, batch.ids, gradient, tied ? weightGradient : null, emit),
      );
    }
  }
}

/** Sum of each sequence's token log-probs, in float64, in token order. */
export function sequenceLogps(tokenLogps: readonly Float32Array[]): Float64Array {
  return Float64Array.from(tokenLogps, (logps) => logps.reduce((sum, logp) => sum + logp, 0));
}

function emitter(places: ReadonlyMap<string, TensorPlace>, sink: GradientSink): EmitGradient {
  return (name, compute) => {
    const place = places.get(name);
    if (place === undefined) return;
    const gradient = compute();
    recorded('gradient into its slot', () => sink.add(place, gradient));
    dispose(gradient);
  };
}
