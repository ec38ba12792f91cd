/** What both sides print of a step. */
export interface TrainedStep {
  readonly loss: number;
  /** z0, in nats. */
  readonly kl: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly milliseconds: number;
}

/** One training by one side. */
export interface Training {
  /** All of them, in order; the first one warms up. */
  readonly steps: readonly TrainedStep[];
  /** Of all processes together, sampled. */
  readonly peakBytes: number;
}
