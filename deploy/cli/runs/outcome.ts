import { ConfigError, RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { Interrupted } from '../exit.js';
import { stateOf } from './run-state.js';

/** What a command ends with whose run has ended. @throws ConfigError or RunError where it failed, Interrupted where it was cancelled */
export function requireSuccess(run: v1.Run.$Properties, name = 'the run'): void {
  const state = stateOf(run);
  const reason = run.reason ?? '';
  if (state === 'cancelled') throw new Interrupted(`${name} was cancelled: ${reason}`);
  if (state !== 'failed') return;
  throw run.failureKind === v1.FailureKind.FAILURE_KIND_CONFIG
    ? new ConfigError(reason)
    : new RunError(reason);
}
