import type { StepMetrics } from './step-metrics.js';

/** What is known of a stage while it trains. Times are the coordinator's, in ms since the epoch. */
export interface StageProgress {
  /** From 1. */
  readonly stage: number;
  readonly stageCount: number;
  readonly method: string;
  readonly totalSteps: number;
  /** The last committed step; null before the first. */
  readonly last: StepMetrics | null;
  /** When the latest steps were committed, oldest first: what speed is measured over. */
  readonly recent: readonly Mark[];
}

interface Mark {
  readonly timeMs: number;
  readonly step: number;
  readonly tokens: number;
}

/** Steps that speed and ETA are averaged over: enough to be steady, few enough to follow a change. */
const speedWindow = 20;

export function beginStage(
  {
    committedSteps,
    ...stage
  }: Pick<StageProgress, 'stage' | 'stageCount' | 'method' | 'totalSteps'> & {
    readonly committedSteps: number;
  },
  timeMs: number,
): StageProgress {
  // Where a stage goes on, the tokens before are not known: speed is measured from its next step on.
  const recent = committedSteps === 0 ? [{ timeMs, step: 0, tokens: 0 }] : [];
  return { ...stage, last: null, recent };
}

export function commitStep(progress: StageProgress, metrics: StepMetrics, timeMs: number): StageProgress {
  const mark = { timeMs, step: metrics.step, tokens: metrics.num_tokens };
  return { ...progress, last: metrics, recent: [...progress.recent, mark].slice(-(speedWindow + 1)) };
}

export interface Speed {
  readonly tokensPerSecond: number;
  readonly remainingMs: number;
}

/** null until it can be told. The time before the first step (loading, compiling) counts only while there is no other. */
export function speedOf({ recent, totalSteps }: StageProgress): Speed | null {
  const newest = recent.at(-1);
  const oldest = recent.length > 2 && recent[0]?.step === 0 ? recent[1] : recent[0];
  if (newest === undefined || oldest === undefined) return null;
  const elapsedMs = newest.timeMs - oldest.timeMs;
  const steps = newest.step - oldest.step;
  if (steps <= 0 || elapsedMs <= 0) return null;
  return {
    tokensPerSecond: ((newest.tokens - oldest.tokens) / elapsedMs) * 1000,
    remainingMs: (totalSteps - newest.step) * (elapsedMs / steps),
  };
}
