import { v1 } from '../../proto/services.js';
import type { Told } from './fake-coordinator.js';

const { RunState } = v1;

/** Events of a run's life, for a coordinator in memory to tell. */
export const toState = (state: v1.RunState, more: v1.Run.$Properties = {}): Told => ({
  run: { state, ...more },
});

export const completed = toState(RunState.RUN_STATE_COMPLETED, { committedSteps: 3 });

/** From the queue to a stage of three steps. */
export const underWay: readonly Told[] = [
  toState(RunState.RUN_STATE_STARTING),
  toState(RunState.RUN_STATE_RUNNING),
  { stageStarted: { stage: 1, stageCount: 1, method: 'kto', totalSteps: 3 } },
];

/** A line of metrics.jsonl. */
export const metricsOf = (step: number) => ({
  step,
  stage: 1,
  method: 'kto',
  loss: 0.5,
  kl: null,
  'rewards/margins': 0.25,
  num_tokens: step * 100,
});

export const committed = (step: number, timeMs = Date.now()): Told => ({
  timeMs,
  stepCommitted: { stage: 1, metricsJson: JSON.stringify(metricsOf(step)) },
});

export const checkpointOf = (step: number): Told => ({
  checkpointWritten: { stage: 1, step, directory: '/c', bytes: 10, durationMs: 1 },
});
