import type { ProcessMemory } from '../../../worker/estimate/memory.js';
import type { Traffic } from '../../../worker/estimate/traffic.js';

/** What is known of a run before it trains; printed as it is by `--json`. */
export interface CheckReport {
  readonly workers: number;
  readonly threadsPerWorker: number;
  /** Of the stages that could be looked at. */
  readonly stages: readonly StageReport[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

export interface StageReport {
  /** From 1. */
  readonly stage: number;
  readonly method: string;
  readonly model: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly rows: {
    readonly file: string;
    readonly read: number;
    readonly used: number;
    readonly desirable: number;
    readonly undesirable: number;
  };
  readonly weights: {
    readonly desirable: number;
    readonly undesirable: number;
    /** λ_D·n_D / (λ_U·n_U); null where a class is empty. */
    readonly ratio: number | null;
  } | null;
  readonly promptTokens: Lengths;
  readonly completionTokens: Lengths;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  readonly microBatchesPerStep: number;
  /** Tokens of the longest sequence, as it is trained on. */
  readonly longestSequence: number;
  /** Of the worker that needs most, in bytes. */
  readonly workerMemory: ProcessMemory;
  /** Null for a method without a reference. */
  readonly referenceMemory: ProcessMemory | null;
  /** Of the worker that sends most, in a full step. */
  readonly trafficPerStep: Traffic;
  readonly sample: {
    readonly where: string;
    readonly prompt: string;
    /** What is trained. */
    readonly completion: string;
    /** Whether the prompt is plain text though the model has a chat template. */
    readonly missesTemplate: boolean;
  };
}

/** Tokens before they are cut, and how many are. */
export interface Lengths {
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly cut: number;
}
