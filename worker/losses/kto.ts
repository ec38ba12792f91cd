import { required, type JudgedCompletion, type Objective } from './objective.js';
import type { Humanline, ScoreScale } from '../../lib/methods/config.js';
import { gradeOf } from '../../lib/methods/score-scale.js';
import { sequenceRatio } from './humanline.js';
import { sigmoid } from './sigmoid.js';
import { onlyCompletion, type LossTerm } from './unpaired.js';

export interface KtoSettings {
  /** Scale of the log-ratio: risk aversion in the value function. */
  readonly beta: number;
  /** λ_D. */
  readonly desirableWeight: number;
  /** λ_U. */
  readonly undesirableWeight: number;
}

export interface KtoOptions extends KtoSettings {
  /** Which mismatched pairs the mean of z0 counts: all, as TRL, or those with a log-ratio other than 0, as HALOs. */
  readonly z0Denominator: 'all' | 'nonzero';
  /** Null for log-ratios of whole completions. */
  readonly humanline: Humanline | null;
  /** Where rows have scores; null where they have labels. */
  readonly scoreScale: ScoreScale | null;
}

/**
 * Kahneman-Tversky Optimization (Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization",
 * arXiv:2402.01306, equation 8), as TRL's `KTOTrainer` computes it (v1.16.0 trl/trainer/kto_trainer.py L1442-1470,
 * L1479-1482, L1548).
 *
 *   r  = log π(y|x) − log π_ref(y|x)
 *   z0 = max(0, mean over mismatched pairs (x, y′) of log π(y′|x) − log π_ref(y′|x)),   without gradient
 *   loss = λ_D (1 − σ(β (r − z0)))   for a desirable y
 *          λ_U (1 − σ(β (z0 − r)))   for an undesirable one
 *
 * @param logRatio r, in nats
 * @param z0 the reference point, in nats
 */
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
 * Score-based KTO (docs/math.md): the side is the grade's sign, and its size scales λ. A grade of ±1 is KTO, to the bit;
 * one of 0 has neither loss nor gradient.
 *
 * @param grade from −1 to 1
 */
export function gradedKtoTerm(logRatio: number, grade: number, z0: number, settings: KtoSettings): LossTerm {
  const size = Math.abs(grade);
  return ktoTerm(logRatio, grade > 0, z0, {
    beta: settings.beta,
    desirableWeight: settings.desirableWeight * size,
    undesirableWeight: settings.undesirableWeight * size,
  });
}

/** What the mismatched pairs say of how far the policy has drifted from the reference, in nats. */
export interface ReferencePoint {
  readonly z0: number;
  /** The mean that z0 is the clamp of: below 0 it says what the clamp hides. */
  readonly klUnclamped: number;
}

/**
 * z0 from the log-ratios of a whole global batch's mismatched pairs, in nats, summed in the order given. The clamp comes
 * after the mean over all workers: it is not linear.
 */
export function ktoReferencePoint(logRatios: readonly number[]): ReferencePoint {
  // A batch whose rows all lack a usable pair says nothing of the drift: its reference point is the clamp.
  if (logRatios.length === 0) return { z0: 0, klUnclamped: 0 };
  const sum = logRatios.reduce((total, ratio) => total + ratio, 0);
  const klUnclamped = sum / logRatios.length;
  return { z0: Math.max(0, klUnclamped), klUnclamped };
}

/** The same where log-ratios of exactly 0 do not count (ContextualAI/HALOs@4831988 train/trainers.py L892-901). */
export function nonzeroReferencePoint(logRatios: readonly number[]): ReferencePoint {
  return ktoReferencePoint(logRatios.filter((ratio) => ratio !== 0));
}

export function kto(settings: KtoOptions): Objective {
  const { humanline, scoreScale } = settings;
  const referencePoint = settings.z0Denominator === 'all' ? ktoReferencePoint : nonzeroReferencePoint;
  const grade = ({ desirable, score }: JudgedCompletion) => {
    if (scoreScale !== null) return gradeOf(required(score, 'a score'), scoreScale);
    return required(desirable, 'a label') ? 1 : -1;
  };
  return {
    rows: 'unpaired',
    needsReference: true,
    tokenLevel: humanline !== null,
    needsCritic: false,
    batchStatistic: {
      from: 'mismatched',
      width: 1,
      share: (completion) => [sequenceRatio(completion, humanline).value],
      finish: referencePoint,
    },
    term: (unit, { counts, statistics }) => {
      const completion = onlyCompletion(unit);
      const ratio = sequenceRatio(completion, humanline);
      const z0 = required(statistics.z0, 'z0');
      const { loss, dLogp, reward } = gradedKtoTerm(ratio.value, grade(completion), z0, settings);
      return {
        loss: loss / counts.examples,
        rewards: [reward],
        gradients: [ratio.spread(dLogp / counts.examples)],
        valueGradients: null,
      };
    },
  };
}
