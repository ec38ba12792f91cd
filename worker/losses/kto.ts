/**
 * Kahneman-Tversky Optimization (Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization",
 * arXiv:2402.01306, equation 8), as TRL's `KTOTrainer.kto_loss` computes it.
 *
 *   r  = log π(y|x) − log π_ref(y|x)
 *   z0 = max(0, mean over mismatched pairs (x, y′) of log π(y′|x) − log π_ref(y′|x)),   without gradient
 *   loss = λ_D (1 − σ(β (r − z0)))   for a desirable y
 *          λ_U (1 − σ(β (z0 − r)))   for an undesirable one
 */

export interface KtoSettings {
  /** Scale of the log-ratio: risk aversion in the value function. */
  readonly beta: number;
  /** λ_D. */
  readonly desirableWeight: number;
  /** λ_U. */
  readonly undesirableWeight: number;
}

/** One example's loss before averaging, its gradient with respect to log π(y|x), and its reward β·r. */
export interface LossTerm {
  readonly loss: number;
  readonly dLogp: number;
  readonly reward: number | null;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** @param logRatio r, in nats. @param z0 the reference point, in nats. */
export function ktoTerm(logRatio: number, desirable: boolean, z0: number, settings: KtoSettings): LossTerm {
  const { beta, desirableWeight, undesirableWeight } = settings;
  const weight = desirable ? desirableWeight : undesirableWeight;
  const sign = desirable ? 1 : -1;
  // 1 − σ(a) = σ(−a) keeps its digits where σ(a) is near 1.
  const regret = sigmoid(-sign * beta * (logRatio - z0));
  return {
    loss: weight * regret,
    dLogp: -weight * sign * beta * regret * (1 - regret),
    reward: beta * logRatio,
  };
}

/**
 * z0 from the log-ratios of a whole global batch's mismatched pairs, in nats, summed in the order given. The clamp comes
 * after the mean over all workers: it is not linear.
 */
export function ktoReferencePoint(logRatios: readonly number[]): number {
  // A batch whose rows all lack a usable pair says nothing of the drift: its reference point is the clamp.
  if (logRatios.length === 0) return 0;
  const sum = logRatios.reduce((total, ratio) => total + ratio, 0);
  return Math.max(0, sum / logRatios.length);
}
