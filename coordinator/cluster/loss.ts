import { ExitCode } from '../../lib/errors.js';
import { describeExit } from '../../lib/process/child.js';
import type { WorkerExit } from '../launch/launcher.js';
import type { LossKind } from './failure-policy.js';

/** Why a worker is gone. */
export interface Loss {
  readonly workerId: string;
  readonly kind: LossKind;
  /** What follows the worker's id in a sentence: `was killed by SIGKILL`. */
  readonly reason: string;
}

/** What is known of a worker that is going, or seems to be. */
export interface Evidence {
  readonly stream: 'none' | 'open' | 'closed';
  /** What it said itself. */
  readonly report: { readonly reason: string; readonly config: boolean } | null;
  /** How its process ended, where the launcher knows. */
  readonly exit: WorkerExit | null;
  /** Why it asked to be let go; null where it did not. */
  readonly leaving: string | null;
  /** What the coordinator itself found, which needs no more evidence. */
  readonly verdict: Pick<Loss, 'kind' | 'reason'> | null;
}

type Explanation = Pick<Loss, 'kind' | 'reason'>;

/**
 * The strongest explanation of what is known. Null means: wait, something that explains more may be on its way; once
 * that waiting is over (`settled`), the likeliest one.
 */
export function explain(evidence: Evidence, { settled }: { readonly settled: boolean }): Explanation | null {
  const { report, exit, stream, leaving, verdict } = evidence;
  if (report !== null) {
    return report.config
      ? { kind: 'config-error', reason: report.reason }
      : { kind: 'worker-failed', reason: `failed: ${report.reason}` };
  }
  if (verdict !== null) return verdict;
  // Once the stream is closed, everything that the worker had to say has been read.
  if (exit !== null && (stream !== 'open' || settled)) {
    if (leaving !== null) return { kind: 'worker-left', reason: left(leaving) };
    const kind = exit.code === ExitCode.badInput ? 'config-exit' : 'worker-died';
    const { lastWords = '' } = exit;
    const end = `${describeExit(exit)} in the middle of the run`;
    return { kind, reason: lastWords === '' ? end : `${end} (${lastWords})` };
  }
  if (!settled) return null;
  if (leaving !== null) return { kind: 'worker-left', reason: left(leaving) };
  return { kind: 'stream-lost', reason: 'closed its stream without saying why' };
}

function left(leaving: string): string {
  return leaving === '' ? 'left' : `left: ${leaving}`;
}
