/** A run's life cycle. */
export type RunState =
  | 'queued'
  | 'starting'
  | 'running'
  /** Workers were lost, and too few are left to go on. */
  | 'recovering'
  | 'completed'
  | 'failed'
  | 'cancelled';

const transitions = {
  queued: ['starting', 'failed', 'cancelled'],
  // Back to queued: the coordinator ended in the middle.
  // At once completed: the coordinator ended when nothing was left to do.
  starting: ['running', 'completed', 'failed', 'cancelled', 'queued'],
  running: ['recovering', 'completed', 'failed', 'cancelled', 'queued'],
  recovering: ['running', 'failed', 'cancelled', 'queued'],
  completed: [],
  // Back to queued: someone wants it to go on.
  failed: ['queued'],
  cancelled: ['queued'],
} as const satisfies Record<RunState, readonly RunState[]>;

export const runStates = Object.keys(transitions) as readonly RunState[];

export function mayBecome(from: RunState, to: RunState): boolean {
  const allowed: readonly RunState[] = transitions[from];
  return allowed.includes(to);
}

/** True where nothing more happens unless someone asks for it. */
export function hasEnded(state: RunState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

/** True where a coordinator executes the run. */
export function isUnderWay(state: RunState): boolean {
  return state !== 'queued' && !hasEnded(state);
}
