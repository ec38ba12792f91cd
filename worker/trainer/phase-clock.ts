import { recordedWait } from '../../lib/profile/recorder.js';

/** Milliseconds that a step spent waiting for each of its phases. */
export interface PhaseTimes {
  readonly reference: number;
  readonly statistic: number;
  readonly gradient: number;
  readonly allReduce: number;
  readonly update: number;
}

export type Phase = keyof PhaseTimes;

/** Adds up how long the phases of one step take. */
export class PhaseClock {
  readonly times: Record<Phase, number> = {
    reference: 0,
    statistic: 0,
    gradient: 0,
    allReduce: 0,
    update: 0,
  };

  time<T>(phase: Phase, work: Promise<T>): Promise<T>;
  time<T>(phase: Phase, work: Promise<T> | null): Promise<T | null>;
  async time<T>(phase: Phase, work: Promise<T> | null): Promise<T | null> {
    const start = performance.now();
    try {
      return work === null ? null : await recordedWait(phase, work);
    } finally {
      this.times[phase] += performance.now() - start;
    }
  }
}
