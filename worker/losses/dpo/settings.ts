export interface DpoSettings {
  /** Scale of the log-ratio; IPO's τ. */
  readonly beta: number;
  /** ε, how often a pair's label is taken to be wrong. */
  readonly labelSmoothing: number;
}
