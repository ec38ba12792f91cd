import { ExitCode } from '../../lib/errors.js';
import type { ProcessExit } from '../../lib/process/child.js';
import { restartDelayMs } from '../../lib/process/restart-delay.js';

/** What the supervisor does about a worker process that has ended. */
export type Action =
  /** All that the pod does is over; Kubernetes decides by the code whether another pod takes its place. */
  | { readonly kind: 'end-pod'; readonly code: number }
  /** The coordinator has let the worker go, and may want it again when the run grows: it is asked then. */
  | { readonly kind: 'let-go'; readonly askAgainMs: number }
  | { readonly kind: 'start-again'; readonly delayMs: number };

/** A worker that ends so often without a step in between would do so for ever: another node may do better. */
export const MAX_FAILURES_IN_A_ROW = 5;

const delays = { restartDelayMs: 1_000, longestRestartDelayMs: 60_000 };
const ASK_AGAIN_MS = 30_000;

/** @param failuresInARow without a step in between, this end included where it is one */
export function afterExit({ code }: ProcessExit, failuresInARow: number): Action {
  if (code === ExitCode.done) return { kind: 'let-go', askAgainMs: ASK_AGAIN_MS };
  if (code === ExitCode.badInput) return { kind: 'end-pod', code };
  if (failuresInARow >= MAX_FAILURES_IN_A_ROW) return { kind: 'end-pod', code: ExitCode.failed };
  return { kind: 'start-again', delayMs: restartDelayMs(failuresInARow, delays) };
}
