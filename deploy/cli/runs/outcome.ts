import { hasEnded } from '../../../coordinator/runs/state.js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { stateOf } from './run-state.js';

/** The run as the last of its events told of it. @throws RunError where that is not its end */
export function requireEnded(run: v1.Run.$Properties | null): v1.Run {
  if (run !== null && hasEnded(stateOf(run))) return v1.Run.create(run);
  throw new RunError('the coordinator ended the stream of events before the run had ended');
}

export interface OutcomeWords {
  /** What the run is called; by default it is the only one. */
  readonly name?: string;
  /** How to go on, behind what went wrong. */
  readonly hint?: string;
}

/**
 * What a command ends with whose run has ended.
 * @throws ConfigError or RunError where it failed, Interrupted where it was cancelled
 */
export function requireSuccess(run: v1.Run.$Properties, { name, hint = '' }: OutcomeWords = {}): void {
  const state = stateOf(run);
  const reason = run.reason ?? '';
  if (state === 'cancelled') throw new Interrupted(`${name ?? 'the run'} was cancelled: ${reason}${hint}`);
  if (state !== 'failed') return;
  const what = name === undefined ? reason : `${name} failed: ${reason}`;
  if (run.failureKind === v1.FailureKind.FAILURE_KIND_CONFIG) throw new ConfigError(what);
  throw new RunError(`${what}${hint}`);
}
