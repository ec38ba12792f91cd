import { ConfigError, RunError } from '../../lib/errors.js';
import { describeExit, type ProcessExit } from '../../lib/process/child.js';

/** Where a worker says that its failure comes from. */
export type FailureOrigin = 'config' | 'runtime' | 'peer';

/** What is known of one worker that may have failed. */
export interface Evidence {
  readonly workerId: string;
  readonly logFile: string | null;
  readonly stream: 'none' | 'open' | 'closed';
  /** What it said itself. */
  readonly report: { readonly reason: string; readonly origin: FailureOrigin } | null;
  /** How its process ended, where the launcher knows. */
  readonly exit: ProcessExit | null;
  /** Set once it has been silent for longer than a living worker may be. */
  readonly silentMs: number | null;
}

interface Cause {
  readonly applies: (evidence: Evidence) => boolean;
  readonly toError: (evidence: Evidence) => ConfigError | RunError;
}

const see = ({ logFile }: Evidence) => (logFile === null ? '' : `; see ${logFile}`);

const ownFailure: Cause = {
  applies: ({ report }) => report !== null && report.origin !== 'peer',
  toError: (evidence) => {
    const { workerId, report } = evidence;
    return report?.origin === 'config'
      ? new ConfigError(report.reason)
      : new RunError(`${workerId} failed: ${report?.reason ?? ''}${see(evidence)}`);
  },
};

/** Once the stream is closed, everything that the worker had to say has been read. */
const death: Cause = {
  applies: ({ report, exit, stream }) => report === null && exit !== null && stream !== 'open',
  toError: (evidence) =>
    new RunError(
      `${evidence.workerId} ${describeExit(evidence.exit!)} in the middle of the run${see(evidence)}`,
    ),
};

const silence: Cause = {
  applies: ({ silentMs }) => silentMs !== null,
  toError: (evidence) =>
    new RunError(
      `${evidence.workerId} has not been heard of for ${Math.round(evidence.silentMs! / 1000)} s: it hangs, or its machine or ` +
        `network is gone${see(evidence)}`,
    ),
};

const lostStream: Cause = {
  applies: ({ report, stream }) => report === null && stream === 'closed',
  toError: (evidence) =>
    new RunError(`${evidence.workerId} closed its stream without saying why${see(evidence)}`),
};

/** A peer's failure seen from the other side: shown only where nothing better is known. */
const blamedPeer: Cause = {
  applies: ({ report }) => report !== null,
  toError: (evidence) => new RunError(`${evidence.workerId}: ${evidence.report!.reason}${see(evidence)}`),
};

/** Causes that need no further evidence, the strongest first. */
const certain = [ownFailure, death];
/** What is left to blame when no more evidence comes. */
const likely = [...certain, silence, lostStream, blamedPeer];

/**
 * The failure that made the others. `settled` says that waiting for more evidence is over; before that, consequences
 * (a peer's complaint, a stream that closed) are held back, and null means: wait.
 */
export function rootCause(
  workers: readonly Evidence[],
  { settled }: { readonly settled: boolean },
): ConfigError | RunError | null {
  for (const cause of settled ? likely : certain) {
    const worker = workers.find(cause.applies);
    if (worker !== undefined) return cause.toError(worker);
  }
  return null;
}
