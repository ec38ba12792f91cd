/** How patient the coordinator is with workers. */
export interface ClusterSettings {
  /** From launch until a worker has said hello; and how long a stage waits for all workers to be ready. */
  readonly joinTimeoutMs: number;
  /** How often a worker is told to send a sign of life. */
  readonly heartbeatIntervalMs: number;
  /** Silence after which a worker counts as lost. Long: a slow machine is not a dead one. */
  readonly heartbeatTimeoutMs: number;
  /** The same, for a worker whose peers cannot reach it either. */
  readonly suspectTimeoutMs: number;
  /** From a worker's stream that closed, or its process that ended, until the worker is given up if it is not back. */
  readonly failureSettleMs: number;
  /** How long the news of a lost worker waits for the reason. */
  readonly explanationMs: number;
  /** Until a worker or replica that failed twice in a row is started again; doubled from failure to failure. */
  readonly restartDelayMs: number;
  readonly longestRestartDelayMs: number;
  /** What writing the checkpoint of a stop, or of a worker that leaves, may take. */
  readonly lastCheckpointMs: number;
  /** What a process has to end in order before it is killed. */
  readonly stopGraceMs: number;
}

export const defaultClusterSettings: ClusterSettings = {
  joinTimeoutMs: 120_000,
  heartbeatIntervalMs: 2_000,
  heartbeatTimeoutMs: 60_000,
  suspectTimeoutMs: 6_000,
  failureSettleMs: 2_000,
  explanationMs: 250,
  restartDelayMs: 1_000,
  longestRestartDelayMs: 60_000,
  lastCheckpointMs: 10_000,
  stopGraceMs: 5_000,
};
