/**
 * What TRL and HALOs do, or did, and Prospect does otherwise on purpose: written out here, to show that the difference is
 * understood.
 */
import { ktoReferencePoint, ktoTerm, nonzeroReferencePoint } from '../../../worker/losses/kto.js';
import { logSigmoid, sigmoid, sigmoidSlope } from '../../../worker/losses/sigmoid.js';
import { mean, sum, type LossCase, type Reproduced } from './golden.js';
import {
  meansByLabel,
  mismatchedRatios,
  settingsOf,
  type KtoParams,
  type LabelledLogps,
  type WithMismatched,
} from './unpaired.js';

interface ShardParams extends KtoParams {
  /** Example indices by micro-step and rank. */
  readonly shards: readonly (readonly (readonly number[])[])[];
}

type ReferencePointOf = (ratios: readonly number[], ranks: readonly (readonly number[])[]) => number;

/** Each rank's own mean, the ranks' means with equal weight, then the clamp. */
const trlReferencePoint: ReferencePointOf = (ratios, ranks) =>
  Math.max(0, mean(ranks.map((rank) => mean(rank.map((i) => ratios[i]!)))));

/** One sum and one count of non-zero ratios over all ranks. */
const halosReferencePoint: ReferencePointOf = (ratios, ranks) =>
  nonzeroReferencePoint(ranks.flat().map((i) => ratios[i]!)).z0;

/**
 * Both take a new z0 in each micro-step, average each rank's own mean loss over ranks with equal weight, whatever their
 * sizes, and divide by the number of micro-steps. Prospect has one z0 and one mean for the step (`sharded/global`).
 */
function perMicroStep(
  { params, inputs }: LossCase<ShardParams, WithMismatched>,
  referencePoint: ReferencePointOf,
): Reproduced {
  const { shards } = params;
  const ratios = mismatchedRatios(inputs);
  const perExample: number[] = [];
  const gradients: number[] = [];
  const z0s = shards.map((ranks) => referencePoint(ratios, ranks));
  const losses = shards.map((ranks, step) =>
    ranks.map((rank) => {
      for (const i of rank) {
        const logRatio = inputs.policy_logps[i]! - inputs.ref_logps[i]!;
        const term = ktoTerm(logRatio, inputs.label[i]!, z0s[step]!, settingsOf(params));
        perExample[i] = term.loss;
        gradients[i] = term.dLogp / rank.length / ranks.length / shards.length;
      }
      return mean(rank.map((i) => perExample[i]!));
    }),
  );
  return {
    outputs: {
      loss: mean(losses.map(mean)),
      per_example: perExample,
      kl_per_micro_step: z0s,
      loss_per_micro_step_and_rank: losses,
    },
    grads: { policy_logps: gradients },
  };
}

export const shardedTrl = (golden: LossCase<ShardParams, WithMismatched>) =>
  perMicroStep(golden, trlReferencePoint);

export const shardedHalos = (golden: LossCase<ShardParams, WithMismatched>) =>
  perMicroStep(golden, halosReferencePoint);

interface LegacyTerm {
  readonly loss: number;
  readonly dLogp: number;
}

function legacyKto(
  { params, inputs }: LossCase<KtoParams, LabelledLogps>,
  meanRatio: number,
  term: (logRatio: number, desirable: boolean) => LegacyTerm,
): Reproduced {
  const logRatios = inputs.policy_logps.map((logp, i) => logp - inputs.ref_logps[i]!);
  const terms = logRatios.map((ratio, i) => term(ratio, inputs.label[i]!));
  const rewards = logRatios.map((ratio) => params.beta * ratio);
  return {
    outputs: {
      loss: mean(terms.map(({ loss }) => loss)),
      per_example: terms.map(({ loss }) => loss),
      rewards,
      ...meansByLabel(rewards, inputs.label),
      kl: Math.max(0, meanRatio),
      kl_before_clamp: meanRatio,
    },
    grads: { policy_logps: terms.map(({ dLogp }) => dLogp / terms.length) },
  };
}

/** HALOs' KTOZeroTrainer: no reference point. */
export const ktoZero = (golden: LossCase<KtoParams, LabelledLogps>) =>
  legacyKto(golden, 0, (ratio, desirable) => ktoTerm(ratio, desirable, 0, settingsOf(golden.params)));

/** HALOs' KTOLogSigmoidTrainer: −log σ in place of 1 − σ, so that what is badly wrong pulls most. */
export function ktoLogSigmoid(golden: LossCase<KtoParams, WithMismatched>): Reproduced {
  const { beta, desirableWeight, undesirableWeight } = settingsOf(golden.params);
  const ratios = mismatchedRatios(golden.inputs);
  const { z0 } = ktoReferencePoint(ratios);
  return legacyKto(golden, mean(ratios), (ratio, desirable) => {
    const [weight, sign] = desirable ? [desirableWeight, 1] : [undesirableWeight, -1];
    const x = sign * beta * (ratio - z0);
    return { loss: -weight * logSigmoid(x), dLogp: -weight * sign * beta * sigmoid(-x) };
  });
}

/** HALOs' first release: the other class's mean reward is the reference point, and the gradient flows through it. */
export function ktoBatchKl({ params, inputs }: LossCase<KtoParams, LabelledLogps>): Reproduced {
  const { beta } = params;
  const { label } = inputs;
  const count = label.length;
  const logRatios = inputs.policy_logps.map((logp, i) => logp - inputs.ref_logps[i]!);
  const classMean = (side: boolean) => mean(logRatios.filter((_, i) => label[i] === side));
  const [chosenKl, rejectedKl] = [true, false].map((side) => Math.max(0, classMean(side)));
  const margins = logRatios.map((ratio, i) => (label[i]! ? ratio - rejectedKl! : chosenKl! - ratio));
  const slopes = margins.map((margin) => (-beta * sigmoidSlope(beta * margin)) / count);
  const gradients = logRatios.map((_, i) => {
    const own = label[i]! ? slopes[i]! : -slopes[i]!;
    // This example's class is the reference point of the other one.
    const others = sum(slopes.filter((_, j) => label[j] !== label[i]));
    const classSize = label.filter((side) => side === label[i]).length;
    const throughKl = classMean(label[i]!) > 0 ? (label[i]! ? others : -others) / classSize : 0;
    return own + throughKl;
  });
  const losses = margins.map((margin) => sigmoid(-beta * margin));
  return {
    outputs: {
      loss: mean(losses),
      per_example: losses,
      kl_chosen: chosenKl,
      kl_rejected: rejectedKl,
      rewards: logRatios.map((ratio) => beta * ratio),
    },
    grads: { policy_logps: gradients },
  };
}
