import {
  MOMENT_WIDTH,
  poolMoments,
  shareMoments,
  tokenAdvantages,
  whiten,
  type AdvantageSettings,
} from './advantages.js';
import {
  logRatio,
  required,
  type JudgedCompletion,
  type Objective,
  type ScoredCompletion,
  type TokenValues,
  type UnitTerm,
} from './objective.js';
import { onlyCompletion } from './unpaired.js';

export interface PpoSettings extends AdvantageSettings {
  /** ε: how far a token's probability ratio may move from 1 before its gradient ends. */
  readonly clipRange: number;
  /** Weight of the KL penalty. */
  readonly klCoef: number;
  /** Weight of the critic's loss; 0 for no critic, and advantages from the rewards alone. */
  readonly criticCoef: number;
}

/** A token's loss before averaging, and its slope. */
interface TokenTerm {
  readonly loss: number;
  readonly slope: number;
}

/**
 * PPO-Clip's loss of one token (Schulman et al. 2017, arXiv:1707.06347, equation 7), by its log-ratio.
 *
 *   ρ = exp(log π − log π_old),   loss = max(−A ρ, −A clip(ρ, 1 − ε, 1 + ε))
 */
export function clippedTerm(logRatio: number, advantage: number, clipRange: number): TokenTerm {
  const ratio = Math.exp(logRatio);
  const free = -advantage * ratio;
  const clipped = -advantage * Math.min(Math.max(ratio, 1 - clipRange), 1 + clipRange);
  return clipped > free ? { loss: clipped, slope: 0 } : { loss: free, slope: free };
}

/** Half the squared error of the critic's value. */
export function criticTerm(value: number, toGo: number): TokenTerm {
  return { loss: 0.5 * (value - toGo) ** 2, slope: value - toGo };
}

/**
 * Offline PPO-Clip (Ethayarajh et al. 2024, arXiv:2402.01306; ContextualAI/HALOs@4831988 train/trainers.py
 * L1189-1233 and L1247-1257, train/utils.py L140-153): rewards of ±1 instead of a learned reward model, the reference
 * instead of an old policy, one pass over each batch. Advantages are whitened over the tokens of the whole batch.
 *
 *   loss = mean over completion tokens of
 *          max(−A ρ, −A clip(ρ, 1 − ε, 1 + ε)) + c_KL (log π − log π_ref) + c_V ½ (V − R)²
 */
export function ppoClip(settings: PpoSettings): Objective {
  const needsCritic = settings.criticCoef > 0;
  const outcomes = ({ desirable, length, critic }: JudgedCompletion) => {
    const reward = required(desirable, 'a label') ? 1 : -1;
    const values = needsCritic ? required(critic, "the critic's values").oldValues : null;
    return tokenAdvantages(reward, length, values, settings);
  };
  return {
    rows: 'unpaired',
    needsReference: true,
    tokenLevel: true,
    needsCritic,
    batchStatistic: {
      from: 'own',
      width: MOMENT_WIDTH,
      share: (completion) => shareMoments(outcomes(completion).advantages),
      finish: (shared) => ({ advantages: poolMoments(shared) }),
    },
    term: (unit, { counts, statistics }) => {
      const completion = onlyCompletion(unit);
      const { advantages, returns } = outcomes(completion);
      const whitened = whiten(advantages, required(statistics.advantages, "the advantages' moments"));
      const policy = policyTerm(completion, whitened, settings, counts.completionTokens);
      if (!needsCritic) return policy;
      const { values } = required(completion.critic, "the critic's values");
      const critic = valueTerm(values, returns, settings.criticCoef / counts.completionTokens);
      return { ...policy, loss: policy.loss + critic.loss, valueGradients: [critic.gradient] };
    },
  };
}

function policyTerm(
  completion: ScoredCompletion,
  advantages: Float64Array,
  { clipRange, klCoef }: PpoSettings,
  divisor: number,
): UnitTerm {
  const { logps, referenceLogps } = required(completion.tokens, 'log-probs by token');
  const gradient = new Float64Array(advantages.length);
  let loss = 0;
  advantages.forEach((advantage, t) => {
    const ratio = logps[t]! - referenceLogps[t]!;
    const term = clippedTerm(ratio, advantage, clipRange);
    loss += (term.loss + klCoef * ratio) / divisor;
    gradient[t] = (term.slope + klCoef) / divisor;
  });
  return { loss, rewards: [logRatio(completion)], gradients: [gradient], valueGradients: null };
}

function valueTerm(values: TokenValues, returns: Float64Array, weight: number) {
  const terms = Array.from(returns, (toGo, t) => criticTerm(values[t]!, toGo));
  return {
    loss: terms.reduce((sum, { loss }) => sum + weight * loss, 0),
    gradient: Float64Array.from(terms, ({ slope }) => weight * slope),
  };
}
