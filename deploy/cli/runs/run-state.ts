import type { RunState } from '../../../coordinator/runs/state.js';
import { RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';

const states: Readonly<Record<v1.RunState, RunState | null>> = {
  [v1.RunState.RUN_STATE_UNSPECIFIED]: null,
  [v1.RunState.RUN_STATE_QUEUED]: 'queued',
  [v1.RunState.RUN_STATE_STARTING]: 'starting',
  [v1.RunState.RUN_STATE_RUNNING]: 'running',
  [v1.RunState.RUN_STATE_COMPLETED]: 'completed',
  [v1.RunState.RUN_STATE_FAILED]: 'failed',
  [v1.RunState.RUN_STATE_CANCELLED]: 'cancelled',
  [v1.RunState.RUN_STATE_RECOVERING]: 'recovering',
};

/** @throws RunError for a state of a newer coordinator */
export function stateOf({ state }: v1.Run.$Properties): RunState {
  const known = states[state ?? v1.RunState.RUN_STATE_UNSPECIFIED] as RunState | null | undefined;
  if (known) return known;
  throw new RunError(
    `the coordinator says that the run is in state ${state ?? 'none'}, which this prospect does not know`,
  );
}
