import type { Moments, TokenValues } from './objective.js';

export interface AdvantageSettings {
  /** γ, discount by token. */
  readonly gamma: number;
  /** λ of the generalized advantage estimate. */
  readonly lam: number;
}

export interface TokenAdvantages {
  readonly advantages: Float64Array;
  /** Discounted rewards to go: what the critic learns. */
  readonly returns: Float64Array;
}

/**
 * Generalized advantage estimation (Schulman et al. 2016, arXiv:1506.02438, equation 16) of a completion whose last token
 * gets the reward (ContextualAI/HALOs@4831988 train/trainers.py L1189-1233).
 *
 *   δ_t = r_t + γ V_{t+1} − V_t,   A_t = δ_t + γ λ A_{t+1},   R_t = r_t + γ R_{t+1}
 *
 * @param values V by token, before the update; null for V = 0
 */
export function tokenAdvantages(
  reward: number,
  length: number,
  values: TokenValues | null,
  { gamma, lam }: AdvantageSettings,
): TokenAdvantages {
  const advantages = new Float64Array(length);
  const returns = new Float64Array(length);
  let [advantage, toGo, nextValue] = [0, 0, 0];
  for (let t = length - 1; t >= 0; t--) {
    const tokenReward = t === length - 1 ? reward : 0;
    const value = values?.[t] ?? 0;
    advantage = tokenReward + gamma * nextValue - value + gamma * lam * advantage;
    toGo = tokenReward + gamma * toGo;
    advantages[t] = advantage;
    returns[t] = toGo;
    nextValue = value;
  }
  return { advantages, returns };
}

/** Numbers that `shareMoments` makes of a completion. */
export const MOMENT_WIDTH = 3;

/** Count, mean and sum of squared deviations of one completion's values. */
export function shareMoments(values: Float64Array): readonly number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [values.length, mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0)];
}

/** Mean and variance over all values of the batch, from what its completions share, without cancellation. */
export function poolMoments(shared: readonly number[]): Moments {
  const parts = Array.from({ length: shared.length / MOMENT_WIDTH }, (_, i) => ({
    count: shared[i * MOMENT_WIDTH]!,
    mean: shared[i * MOMENT_WIDTH + 1]!,
    squares: shared[i * MOMENT_WIDTH + 2]!,
  }));
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const mean = parts.reduce((sum, part) => sum + part.count * part.mean, 0) / total;
  const squares = parts.reduce((sum, part) => sum + part.squares + part.count * (part.mean - mean) ** 2, 0);
  return { mean, variance: squares / total };
}

/** Advantages with mean 0 and variance 1 over the batch's tokens. */
export function whiten(advantages: Float64Array, { mean, variance }: Moments): Float64Array {
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return advantages.map((advantage) => (advantage - mean) * scale);
}
