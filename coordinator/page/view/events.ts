/** A run as the page's endpoints write it. */
export interface RunSummary {
  readonly id: string;
  /** What its user calls it. */
  readonly name: string;
  readonly state: RunState;
  /** Why it failed or was cancelled; empty otherwise. */
  readonly reason: string;
  readonly outputDir: string;
  /** Over all stages. */
  readonly committedSteps: number;
  /** Over all stages; 0 until the data is read. */
  readonly totalSteps: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** A run in the list of all. */
export interface ListedRun extends RunSummary {
  /** What a queued run waits for now, which changes without an event of its own; empty otherwise. */
  readonly waitsFor: string;
}

export type RunState =
  'queued' | 'starting' | 'running' | 'recovering' | 'completed' | 'failed' | 'cancelled';

/** True where no step follows, unless the run is resumed. */
export function hasEnded(state: RunState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

/** The parts of a step, in order; the rest of its time is waiting: for the coordinator and the other workers. */
export const phases = ['reference', 'statistics', 'gradient', 'allReduce', 'update', 'wait'] as const;
export type Phase = (typeof phases)[number];

/** Milliseconds of each phase. */
export type PhaseTimes = Readonly<Record<Phase, number>>;

export interface WorkerStep {
  readonly id: string;
  /** That it computed, of the step's global batch. */
  readonly examples: number;
  readonly times: PhaseTimes;
}

export interface WorkerChange {
  readonly id: string;
  /** Empty where there is nothing to say. */
  readonly reason: string;
}

/** A line of metrics.jsonl or evaluations.jsonl, which may hold more than the page draws. */
export type StepRow = Readonly<Record<string, unknown>>;

/** A prompt that the policy has continued. */
export interface SampledCompletion {
  /** Its end, where it is long. */
  readonly prompt: string;
  /** Its beginning, where it is very long. */
  readonly completion: string;
  /** It was cut at the greatest length. */
  readonly cut: boolean;
}

/** What happened to a run, as the journal tells it to those who watch. */
export type RunEvent = {
  /** Of the run's events, from 1. */
  readonly sequence: number;
  readonly timeMs: number;
} & (
  | { readonly kind: 'run'; readonly run: RunSummary }
  | {
      readonly kind: 'stage';
      readonly stage: number;
      readonly stageCount: number;
      readonly method: string;
      readonly totalSteps: number;
    }
  | {
      readonly kind: 'step';
      readonly stage: number;
      readonly row: StepRow;
      readonly workers: readonly WorkerStep[];
    }
  | {
      readonly kind: 'notice';
      readonly text: string;
      readonly warning: boolean;
      /** Of a diagnosis; empty for other notices. */
      readonly condition: string;
    }
  | {
      readonly kind: 'membership';
      readonly generation: number;
      readonly workers: readonly string[];
      readonly joined: readonly WorkerChange[];
      readonly lost: readonly WorkerChange[];
      readonly stage: number;
      readonly step: number;
    }
  | {
      readonly kind: 'checkpoint';
      readonly stage: number;
      readonly step: number;
      readonly directory: string;
      readonly bytes: number;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'evaluation';
      readonly stage: number;
      /** 0 for the stage's start. */
      readonly step: number;
      readonly row: StepRow;
    }
  | {
      readonly kind: 'samples';
      readonly stage: number;
      /** 0 for the stage's start. */
      readonly step: number;
      readonly completions: readonly SampledCompletion[];
      /** Further completions, which samples.jsonl has. */
      readonly omitted: number;
    }
);
