import { setTimeout as delay } from 'node:timers/promises';
import { TransientError } from './remote.js';

/** How often in a row something may go wrong: with pauses of 1, 2, 4 … s that is about two minutes. */
const MAX_FAILURES = 8;

export interface PersevereOptions {
  readonly signal: AbortSignal;
  /** From the first failure to the second attempt; twice as long from each to the next. */
  readonly retryDelayMs: number;
  /** Grows with what has come: only failures between which nothing has come are in a row. */
  readonly progress?: () => Promise<number>;
}

/** Does again what went wrong on the way. @throws the last TransientError where it goes wrong all the time; all others */
export async function persevere<Result>(
  body: () => Promise<Result>,
  { signal, retryDelayMs, progress = () => Promise.resolve(0) }: PersevereOptions,
): Promise<Result> {
  for (let failures = 0; ;) {
    const before = await progress();
    try {
      return await body();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures = (await progress()) > before ? 1 : failures + 1;
      if (failures === MAX_FAILURES) throw error;
    }
    await delay(retryDelayMs * 2 ** (failures - 1), undefined, { signal });
  }
}
