import { dpoSigmoid } from './dpo/sigmoid.js';
import { ktoTerm, type KtoSettings } from './kto.js';
import { clippedTerm, type PpoSettings } from './ppo-clip.js';

/**
 * The value that people get from an outcome, as a method implies it (Ethayarajh et al. 2024, arXiv:2402.01306,
 * figure 1). A loss fixes it up to a constant; here the reference point has value 0.
 *
 * @param reward of the outcome over the reference point: log π(y|x) − log π_ref(y|x) − z0, in nats
 */
export type HumanValue = (reward: number) => number;

/** Minus a loss, measured from the reference point. */
const fromLoss =
  (loss: (reward: number) => number): HumanValue =>
  (reward) =>
    loss(0) - loss(reward);

/** KTO's value of a desirable or an undesirable completion. */
export function ktoValue(settings: KtoSettings, desirable: boolean): HumanValue {
  return fromLoss((reward) => ktoTerm(reward, desirable, 0, settings).loss);
}

/** DPO's value of the chosen completion, whose reference point is the reward of the rejected one. */
export function dpoValue(beta: number): HumanValue {
  return fromLoss((reward) => dpoSigmoid({ chosen: reward, rejected: 0 }, { beta, labelSmoothing: 0 }).loss);
}

/** PPO-Clip's value of a token, by the sign of its advantage. */
export function ppoClipValue({ clipRange }: Pick<PpoSettings, 'clipRange'>, desirable: boolean): HumanValue {
  return fromLoss((reward) => clippedTerm(reward, desirable ? 1 : -1, clipRange).loss);
}

export interface KahnemanTverskySettings {
  /** Risk aversion in gains, risk seeking in losses. */
  readonly alpha: number;
  /** Loss aversion. */
  readonly lambda: number;
}

/** The medians that people showed: Tversky and Kahneman 1992, "Advances in Prospect Theory". */
export const medianHuman: KahnemanTverskySettings = { alpha: 0.88, lambda: 2.25 };

/** v(z) = z^α for gains, −λ (−z)^α for losses (Tversky and Kahneman 1992). */
export function kahnemanTverskyValue({ alpha, lambda }: KahnemanTverskySettings): HumanValue {
  return (reward) => (reward >= 0 ? reward ** alpha : -lambda * (-reward) ** alpha);
}

export interface ValuePoint {
  readonly reward: number;
  readonly value: number;
}

/** A value function at `count` ≥ 2 rewards, evenly spaced, both ends included. */
export function sampleValues(
  value: HumanValue,
  { from, to, count }: { readonly from: number; readonly to: number; readonly count: number },
): ValuePoint[] {
  return Array.from({ length: count }, (_, i) => {
    const reward = from + ((to - from) * i) / (count - 1);
    return { reward, value: value(reward) };
  });
}
