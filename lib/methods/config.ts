/** A class weight of KTO; `auto` until the rows are counted: see `resolveWeights`. */
export type Weight = number | 'auto';

/** λ_D and λ_U, of which at most one is `auto`. */
export interface ClassWeights<W extends Weight = Weight> {
  readonly desirableWeight: W;
  readonly undesirableWeight: W;
}

/** Bounds of a token's log-ratio, in nats; logEpsilonP < logEpsilonR. HALOs' defaults: −1 and 1.5. */
export interface Humanline {
  readonly logEpsilonP: number;
  readonly logEpsilonR: number;
}

/** A scale of scores. min ≤ neutral ≤ max, min < max. */
export interface ScoreScale {
  readonly min: number;
  readonly max: number;
  /** Neither gain nor loss to the one who gave the score. */
  readonly neutral: number;
}

export interface KtoConfig<W extends Weight = Weight> extends ClassWeights<W> {
  readonly method: 'kto';
  /** Scale of the log-ratio. */
  readonly beta: number;
  /** Which mismatched pairs the mean of z0 counts: all, as TRL, or those with a log-ratio other than 0, as HALOs. */
  readonly z0Denominator: 'all' | 'nonzero';
  /** Null for log-ratios of whole completions. */
  readonly humanline: Humanline | null;
  /** Where rows have scores; null where they have labels. */
  readonly scoreScale: ScoreScale | null;
}

export interface ApoZeroUnpairedConfig<W extends Weight = Weight> extends ClassWeights<W> {
  readonly method: 'apo_zero_unpaired';
  readonly beta: number;
}

export interface PpoClipConfig {
  readonly method: 'ppo_clip';
  /** ε: how far a token's probability ratio may move from 1 before its gradient ends. */
  readonly clipRange: number;
  /** Weight of the KL penalty. */
  readonly klCoef: number;
  /** γ, discount by token. */
  readonly gamma: number;
  /** λ of the generalized advantage estimate. */
  readonly lam: number;
  /** Weight of the critic's loss; 0 for no critic. */
  readonly criticCoef: number;
}

/** Losses of DPO's family on a pair's log-ratios, under TRL's names. */
export const dpoLossTypes = [
  'sigmoid',
  'sigmoid_norm',
  'robust',
  'hinge',
  'ipo',
  'exo_pair',
  'nca_pair',
  'bco_pair',
  'sppo_hard',
  'apo_zero',
  'apo_down',
] as const;

export type DpoLossType = (typeof dpoLossTypes)[number];

export interface DpoConfig {
  readonly method: 'dpo';
  readonly lossType: DpoLossType;
  /** Scale of the log-ratio; IPO's τ. */
  readonly beta: number;
  /** ε, how often a pair's label is taken to be wrong; 0 for a loss type without. */
  readonly labelSmoothing: number;
}

export interface CpoConfig {
  readonly method: 'cpo';
  readonly beta: number;
  readonly labelSmoothing: number;
  /** α, weight of the chosen completions' likelihood. */
  readonly cpoAlpha: number;
}

export interface SimpoConfig {
  readonly method: 'simpo';
  readonly beta: number;
  /** γ, the margin of rewards asked for. */
  readonly simpoGamma: number;
}

export interface OrpoConfig {
  readonly method: 'orpo';
  /** λ in the paper: weight of the odds ratio beside the likelihood. */
  readonly beta: number;
}

export interface SlicConfig {
  readonly method: 'slic';
  /** The margin of log-probs asked for, in nats. */
  readonly beta: number;
  /** λ, weight of the chosen completion's likelihood. */
  readonly lambdaCoef: number;
}

export interface SftConfig {
  readonly method: 'sft';
}

export interface CsftConfig {
  readonly method: 'csft';
  /** Text that begins a desirable and an undesirable completion. */
  readonly desirableControl: string;
  readonly undesirableControl: string;
}

/** A training method with its settings, which are those that it reads. */
export type MethodConfig<W extends Weight = Weight> =
  | KtoConfig<W>
  | ApoZeroUnpairedConfig<W>
  | PpoClipConfig
  | DpoConfig
  | CpoConfig
  | SimpoConfig
  | OrpoConfig
  | SlicConfig
  | SftConfig
  | CsftConfig;

export type Method = MethodConfig['method'];
