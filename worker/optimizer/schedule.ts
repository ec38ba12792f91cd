import type { StageConfig } from '../../lib/config/types.js';

type Schedule = Pick<StageConfig, 'learningRate' | 'lrSchedule' | 'warmupSteps'>;

/**
 * The learning rate of optimizer step `step` (1-based) of `totalSteps`, counted as `transformers` counts: its schedulers
 * advance after the optimizer, so step 1 of a warm-up runs at 0 and the last step of a linear decay above 0
 * (`get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup`, `get_constant_schedule_with_warmup`).
 */
export function learningRateAt(step: number, totalSteps: number, schedule: Schedule): number {
  const { learningRate, lrSchedule, warmupSteps } = schedule;
  const done = step - 1;
  if (done < warmupSteps) return learningRate * (done / warmupSteps);
  const progress = (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (lrSchedule) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * Math.max(0, 1 - progress);
    case 'cosine':
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
