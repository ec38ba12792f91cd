import type { MethodConfig } from '../methods/config.js';

export type { Method } from '../methods/config.js';

/** The resolved run file: every key has its value, every path is absolute, or a source (source.ts). See schema.ts for what a user may write. */
export interface RunConfig {
  /** Worker processes; the result of a run does not depend on it. */
  readonly workers: number;
  /** Threads that each worker and the reference replica compute with. `auto` in the run file is resolved at submit. */
  readonly threadsPerWorker: number;
  /** The run goes on with this many, and waits for more where there are fewer. */
  readonly minWorkers: number;
  /** How often in a row one worker may fail without having finished a step in between. */
  readonly maxRestarts: number;
  /** Optimizer steps from one checkpoint to the next; 0 for none but those that an end asks for. */
  readonly saveSteps: number;
  /** Checkpoints that are kept, the newest ones. */
  readonly saveTotalLimit: number;
  /** Trained one after the other, each from the model that the one before wrote. */
  readonly stages: readonly [StageConfig, ...StageConfig[]];
}

export type LrSchedule = 'constant' | 'linear' | 'cosine';

/** What happens at a gradient that is not finite: the run fails, or the step changes nothing and is counted. */
export type OnNonfinite = 'fail' | 'skip';

/** A fresh adapter, trained instead of the model. */
export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  /** The update is scaled by alpha / r. */
  readonly alpha: number;
  /** Ends of module names, as in PEFT; all linear modules but the language-model head. */
  readonly targetModules: readonly string[] | 'all-linear';
  readonly dropout: 0;
}

/** Completions for people to look at, made while the stage is trained. */
export interface SamplesConfig {
  /** Optimizer steps. */
  readonly everySteps: number;
  /** How many, from the first row on. */
  readonly prompts: number;
  readonly maxNewTokens: number;
  /** 0 takes the most probable token always. */
  readonly temperature: number;
}

/**
 * The frozen reference: a Hugging Face directory; `base` for the stage's model without its adapter; null for what the
 * stage starts from, adapter included.
 */
export type ReferenceConfig = { readonly directory: string } | 'base' | null;

export interface StageConfig {
  /** Method and settings. A class weight of `auto` becomes a number when the rows are counted. */
  readonly objective: MethodConfig;
  /** Hugging Face directory to start from; null for the model that the stage before wrote. */
  readonly model: string | null;
  /** PEFT directory of an adapter to go on from; null for none. At most one of `adapter` and `lora` is given. */
  readonly adapter: string | null;
  /** Null to train the model itself, or `adapter`. */
  readonly lora: LoraConfig | null;
  /** Null for a method without a reference too. */
  readonly reference: ReferenceConfig;
  readonly data: { readonly train: string; readonly eval: string | null };

  readonly learningRate: number;
  readonly lrSchedule: LrSchedule;
  readonly warmupSteps: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** Global L2 norm to clip to; 0 for no clipping. */
  readonly maxGradNorm: number;
  readonly onNonfinite: OnNonfinite;

  /** Optimizer steps between judgements of the held-out rows; 0 for the start and the end of the stage alone. */
  readonly evalSteps: number;
  /** Null for none. */
  readonly samples: SamplesConfig | null;

  /** Optimizer steps; null where `epochs` decides. */
  readonly maxSteps: number | null;
  readonly epochs: number;
  /** Examples per optimizer step, over all workers. */
  readonly globalBatchSize: number;
  /** Examples computed together (a leaf of the gradient's sum). */
  readonly microBatchSize: number;
  /** GiB on a worker for the activations that a micro-batch keeps; null for as many as there are. */
  readonly activationMemoryGib: number | null;
  /** Whether a prompt is computed once for its own completion and for the mismatched one. */
  readonly sharePrompts: boolean;
  /** Tokens of prompt and completion together. */
  readonly maxLength: number;
  readonly maxPromptLength: number;
  readonly shuffle: boolean;
  readonly seed: number;
}
