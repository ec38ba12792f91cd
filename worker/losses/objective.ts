/** Numbers of a completion's tokens, in token order. */
export type TokenValues = ArrayLike<number>;

/** What is known of a completion before the policy scores it. */
export interface JudgedCompletion {
  /** Completion tokens, at least one. */
  readonly length: number;
  /** The row's label; null where it has none. */
  readonly desirable: boolean | null;
  /** The row's score, on the scale that the method was given; null where it has none. */
  readonly score: number | null;
  /** For a method with `needsCritic`. */
  readonly critic: {
    /** What the critic says of each token in this forward pass. */
    readonly values: TokenValues;
    /** What it said when the batch statistic was taken; advantages come from these. */
    readonly oldValues: TokenValues;
  } | null;
}

/** A completion as policy and reference scored it, in nats. */
export interface ScoredCompletion extends JudgedCompletion {
  /** Sum over its tokens, in float64, in token order. */
  readonly logp: number;
  /** Null for a method without a reference. */
  readonly referenceLogp: number | null;
  /** By token, for a method with `tokenLevel`. */
  readonly tokens: { readonly logps: TokenValues; readonly referenceLogps: TokenValues } | null;
}

/** What a method computes at a time: one completion, or the chosen and the rejected one of a pair, in this order. */
export type Unit = readonly ScoredCompletion[];

/** The step's counts over the whole global batch. */
export interface BatchCounts {
  /** Units. */
  readonly examples: number;
  readonly completionTokens: number;
  /** Those of the chosen completions; 0 where rows are not paired. */
  readonly chosenTokens: number;
}

/** What the loss of every unit depends on, of the whole global batch; a method's `batchStatistic` says which. */
export interface BatchStatistics {
  /** KTO's reference point, in nats. */
  readonly z0?: number;
  /** The mean log-ratio that z0 is the clamp of; no loss depends on it. */
  readonly klUnclamped?: number;
  /** PPO's advantages over all completion tokens. */
  readonly advantages?: Moments;
}

export interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/** A statistic from a few numbers of every example; `finish` gets all of them in batch order, `width` from each. */
interface Shared<From extends string, Completion> {
  readonly from: From;
  readonly width: number;
  share(completion: Completion): readonly number[];
  finish(shared: readonly number[]): BatchStatistics;
}

/** Made from the mismatched pairs (x, y′), scored without gradient, or from the batch's own completions. */
export type BatchStatistic = Shared<'mismatched', ScoredCompletion> | Shared<'own', JudgedCompletion>;

/** One unit's part of a batch's loss, already divided by what the loss is averaged over: the parts sum to it. */
export interface UnitTerm {
  readonly loss: number;
  /** Per completion, in nats times the method's own scale; null for a method without rewards. */
  readonly rewards: readonly (number | null)[];
  /** ∂loss/∂(log-prob of a token), per completion: one number for all of its tokens, or one for each. */
  readonly gradients: readonly (number | Float64Array)[];
  /** ∂loss/∂(critic's value of a token), per completion; null for a method without a critic. */
  readonly valueGradients: readonly Float64Array[] | null;
}

/** A training method: what it needs, and the share of one unit in the batch's loss and gradient. */
export interface Objective {
  /** Pairs, labelled or scored completions, or any completions, each of which is then a unit of its own. */
  readonly rows: 'paired' | 'unpaired' | 'any';
  readonly needsReference: boolean;
  /** Works on tokens: policy, and reference, must answer with one log-prob per token. */
  readonly tokenLevel: boolean;
  readonly needsCritic: boolean;
  readonly batchStatistic: BatchStatistic | null;
  term(unit: Unit, batch: { readonly counts: BatchCounts; readonly statistics: BatchStatistics }): UnitTerm;
}

/** What the caller owes to the method: the trainer reads the declarations above, so that absence is its bug. */
export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`the method needs ${what}`);
  return value;
}

/** log π(y|x) − log π_ref(y|x). */
export function logRatio({ logp, referenceLogp }: ScoredCompletion): number {
  return logp - required(referenceLogp, 'a reference answer');
}
