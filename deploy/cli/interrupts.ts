import { ExitCode } from '../../lib/errors.js';
import type { Interrupted } from './exit.js';

/** What a program does when it is told to stop: Ctrl-C, `kill`, or a terminal that closes. */
export interface Interrupts {
  /** Stop in good order. */
  readonly onFirst: () => void;
  /** The user did not want to wait. */
  readonly onSecond: () => void;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs `body` while signals are caught; before and after, they end the process as usual. */
export async function withInterrupts<T>(interrupts: Interrupts, body: () => Promise<T>): Promise<T> {
  let caught = 0;
  const handle = () => {
    caught += 1;
    if (caught === 1) interrupts.onFirst();
    else interrupts.onSecond();
  };
  for (const signal of signals) process.on(signal, handle);
  try {
    return await body();
  } finally {
    for (const signal of signals) process.off(signal, handle);
  }
}

/**
 * Runs `body`, which a first signal aborts; a second one ends the process at once. Nothing else must be lost by that.
 * @throws what `interruption` makes of it, where the body fails after a signal
 */
export async function interruptible<T>(
  interruption: () => Interrupted,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupts = {
    onFirst: () => controller.abort(),
    onSecond: () => process.exit(ExitCode.interrupted),
  };
  try {
    return await withInterrupts(interrupts, () => body(controller.signal));
  } catch (error) {
    throw controller.signal.aborted ? interruption() : error;
  }
}
