import type { Humanline } from '../../lib/methods/config.js';
import { logRatio, required, type ScoredCompletion, type TokenValues } from './objective.js';

/** r of a completion, and how its slope spreads over the tokens. */
export interface SequenceRatio {
  readonly value: number;
  /** ∂loss/∂(token log-probs) from ∂loss/∂r. */
  spread(slope: number): number | Float64Array;
}

/**
 * "Humanline" alignment (ContextualAI/HALOs@4831988 train/trainers.py L175-186, `get_sequence_rewards`):
 *
 *   r = Σ_t clamp(log π(y_t|x, y_<t) − log π_ref(y_t|x, y_<t), log ε_P, log ε_R)
 *
 * A token outside of the bounds has no gradient.
 */
export function humanlineRatio(
  logps: TokenValues,
  referenceLogps: TokenValues,
  { logEpsilonP, logEpsilonR }: Humanline,
): SequenceRatio {
  const ratios = Float64Array.from(logps, (logp, t) => logp - referenceLogps[t]!);
  const clamped = ratios.map((ratio) => Math.min(Math.max(ratio, logEpsilonP), logEpsilonR));
  return {
    value: clamped.reduce((sum, ratio) => sum + ratio, 0),
    spread: (slope) => ratios.map((ratio, t) => (clamped[t] === ratio ? slope : 0)),
  };
}

/** r of a completion, token by token with humanline, whole without. */
export function sequenceRatio(completion: ScoredCompletion, humanline: Humanline | null): SequenceRatio {
  if (humanline === null) return { value: logRatio(completion), spread: (slope) => slope };
  const { logps, referenceLogps } = required(completion.tokens, 'log-probs by token');
  return humanlineRatio(logps, referenceLogps, humanline);
}
