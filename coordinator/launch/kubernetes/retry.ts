import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../lib/log.js';
import { ApiError } from './api-error.js';

export interface Retrying {
  /** What cannot be done, in the log. */
  readonly what: string;
  readonly log: Logger;
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** Does it again while the API server is away. Rejects with what no later try would mend, or with the signal's reason. */
export async function retrying<Result>(
  attempt: () => Promise<Result>,
  { what, log, pauseMs, signal }: Retrying,
): Promise<Result> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ApiError && error.isTransient)) throw error;
      log.warn({ reason: error.message }, `${what}: trying again`);
    }
    await delay(pauseMs, undefined, { signal });
  }
}
