/** A run's life cycle. `recovering` comes with elastic membership. */
export type RunState = 'queued' | 'starting' | 'running' | 'completed' | 'failed' | 'cancelled';

const transitions = {
  queued: ['starting', 'failed', 'cancelled'],
  starting: ['running', 'failed', 'cancelled'],
  running: ['completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<RunState, readonly RunState[]>;

export const runStates = Object.keys(transitions) as readonly RunState[];

export function mayBecome(from: RunState, to: RunState): boolean {
  const allowed: readonly RunState[] = transitions[from];
  return allowed.includes(to);
}

/** True where no state follows. */
export function hasEnded(state: RunState): boolean {
  return transitions[state].length === 0;
}
