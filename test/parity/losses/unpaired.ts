import { methods } from '../../../worker/losses/methods.js';
import type { BatchStatistics, Objective } from '../../../worker/losses/objective.js';
import { completion, evaluate, mean, type LossCase, type Reproduced } from './golden.js';

export interface KtoParams {
  readonly beta: number;
  readonly desirable_weight: number;
  readonly undesirable_weight: number;
}

export interface LabelledLogps {
  readonly policy_logps: readonly number[];
  readonly ref_logps: readonly number[];
  readonly label: readonly boolean[];
}

export interface WithMismatched extends LabelledLogps {
  readonly policy_KL_logps: readonly number[];
  readonly ref_KL_logps: readonly number[];
}

export const settingsOf = (params: KtoParams) => ({
  beta: params.beta,
  desirableWeight: params.desirable_weight,
  undesirableWeight: params.undesirable_weight,
});

export const unpairedUnits = ({ policy_logps, ref_logps, label }: LabelledLogps) =>
  policy_logps.map((logp, i) => [completion({ logp, referenceLogp: ref_logps[i]!, desirable: label[i]! })]);

/** Log-ratios of the mismatched pairs. */
export const mismatchedRatios = ({ policy_KL_logps, ref_KL_logps }: WithMismatched) =>
  policy_KL_logps.map((logp, i) => logp - ref_KL_logps[i]!);

/** The statistic of a method from mismatched pairs, through what each pair shares. */
export function mismatchedStatistics(
  objective: Objective,
  { policy_KL_logps, ref_KL_logps }: WithMismatched,
) {
  const { batchStatistic } = objective;
  if (batchStatistic?.from !== 'mismatched') throw new Error('the method has another statistic');
  const pairs = policy_KL_logps.map((logp, i) => completion({ logp, referenceLogp: ref_KL_logps[i]! }));
  return batchStatistic.finish(pairs.flatMap((pair) => batchStatistic.share(pair)));
}

/** Loss, gradient and rewards as every unpaired case has them. */
function results(objective: Objective, inputs: LabelledLogps, statistics: BatchStatistics) {
  const { loss, terms } = evaluate(objective, unpairedUnits(inputs), statistics);
  return {
    loss,
    per_example: terms.map((term) => term.loss * terms.length),
    rewards: terms.map(({ rewards }) => rewards[0]!),
    grads: { policy_logps: terms.map(({ gradients }) => gradients[0]!) },
  };
}

export function meansByLabel(rewards: readonly number[], label: readonly boolean[]) {
  const [chosen, rejected] = [true, false].map((side) => rewards.filter((_, i) => label[i] === side));
  return {
    ...(chosen!.length > 0 && { rewards_chosen_mean: mean(chosen!) }),
    ...(rejected!.length > 0 && { rewards_rejected_mean: mean(rejected!) }),
  };
}

export function trlKto({ params, inputs }: LossCase<KtoParams, WithMismatched>): Reproduced {
  const options = { ...settingsOf(params), z0Denominator: 'all', humanline: null, scoreScale: null } as const;
  const objective = methods.kto(options);
  const statistics = mismatchedStatistics(objective, inputs);
  const { grads, ...outputs } = results(objective, inputs, statistics);
  return {
    outputs: {
      ...outputs,
      ...meansByLabel(outputs.rewards, inputs.label),
      kl: statistics.z0,
      kl_before_clamp: statistics.klUnclamped,
    },
    grads,
  };
}

/** HALOs reports its rewards without beta. */
export function halosKto({ params, inputs }: LossCase<KtoParams, WithMismatched>): Reproduced {
  const options = { ...settingsOf(params), humanline: null, scoreScale: null } as const;
  const objective = methods.kto({ ...options, z0Denominator: 'nonzero' });
  const statistics = mismatchedStatistics(objective, inputs);
  const { grads, ...outputs } = results(objective, inputs, statistics);
  const rewards = outputs.rewards.map((reward) => reward / params.beta);
  return {
    outputs: {
      ...outputs,
      rewards,
      ...meansByLabel(rewards, inputs.label),
      kl: statistics.z0,
      kl_before_clamp: statistics.klUnclamped,
    },
    grads,
  };
}

export function apoZeroUnpaired({ params, inputs }: LossCase<KtoParams, LabelledLogps>): Reproduced {
  const { grads, ...outputs } = results(methods.apo_zero_unpaired(settingsOf(params)), inputs, {});
  return {
    outputs: { ...outputs, ...meansByLabel(outputs.rewards, inputs.label), kl: 0, kl_before_clamp: 0 },
    grads,
  };
}

/** One batch, however many shards computed it: what makes the number of workers invisible. */
export function shardedGlobal({ params, inputs }: LossCase<KtoParams, WithMismatched>): Reproduced {
  const { outputs, grads } = trlKto({ params, inputs } as LossCase<KtoParams, WithMismatched>);
  const { loss, per_example, kl } = outputs;
  return { outputs: { loss, per_example, kl }, grads };
}
