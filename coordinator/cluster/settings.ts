/** How patient the coordinator is with workers. */
export interface ClusterSettings {
  /** From launch until a worker has said hello. */
  readonly joinTimeoutMs: number;
  /** How often a worker is told to send a sign of life. */
  readonly heartbeatIntervalMs: number;
  /** Silence after which a worker counts as lost. Long: a slow machine is not a dead one. */
  readonly heartbeatTimeoutMs: number;
  /** From the first sign of a failure until the likeliest cause is taken for the cause. */
  readonly failureSettleMs: number;
  /** What a process has to end in order before it is killed. */
  readonly stopGraceMs: number;
}

export const defaultClusterSettings: ClusterSettings = {
  joinTimeoutMs: 120_000,
  heartbeatIntervalMs: 2_000,
  heartbeatTimeoutMs: 60_000,
  failureSettleMs: 2_000,
  stopGraceMs: 10_000,
};
