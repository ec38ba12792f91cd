/** The resolved run file: every key has its value, every path is absolute. See schema.ts for what a user may write. */
export interface RunConfig {
  /** Worker processes; the result of a run does not depend on it. */
  readonly workers: number;
  /** TensorFlow threads of each worker and of the reference replica. `auto` in the run file is resolved at submit. */
  readonly threadsPerWorker: number;
  /** Trained one after the other, each from the model that the one before wrote. */
  readonly stages: readonly [StageConfig, ...StageConfig[]];
}

export type Method = 'kto' | 'sft';
export type LrSchedule = 'constant' | 'linear' | 'cosine';

export interface StageConfig {
  readonly method: Method;
  /** Hugging Face directory to start from; null for the model that the stage before wrote. */
  readonly model: string | null;
  /** Hugging Face directory of the frozen reference; null for the model that the stage starts from. */
  readonly reference: string | null;
  readonly data: { readonly train: string; readonly eval: string | null };

  /** KTO: scale of the log-ratio, and weights λ_D and λ_U. */
  readonly beta: number;
  readonly desirableWeight: number;
  readonly undesirableWeight: number;

  readonly learningRate: number;
  readonly lrSchedule: LrSchedule;
  readonly warmupSteps: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  readonly weightDecay: number;
  /** Global L2 norm to clip to; 0 for no clipping. */
  readonly maxGradNorm: number;

  /** Optimizer steps; null where `epochs` decides. */
  readonly maxSteps: number | null;
  readonly epochs: number;
  /** Examples per optimizer step, over all workers. */
  readonly globalBatchSize: number;
  /** Examples computed together (a leaf of the gradient's sum). */
  readonly microBatchSize: number;
  /** Tokens of prompt and completion together. */
  readonly maxLength: number;
  readonly maxPromptLength: number;
  readonly shuffle: boolean;
  readonly seed: number;
}
