import { dpoSigmoid } from '../../../worker/losses/dpo/sigmoid.js';
import type { DpoLossType } from '../../../lib/methods/config.js';
import { methods } from '../../../worker/losses/methods.js';
import type { Objective, Unit } from '../../../worker/losses/objective.js';
import { oddsRatioTerm } from '../../../worker/losses/orpo.js';
import { completion, evaluate, sum, type LossCase, type Reproduced } from './golden.js';

interface PairInputs {
  readonly policy_chosen_logps: readonly number[];
  readonly policy_rejected_logps: readonly number[];
  readonly ref_chosen_logps?: readonly number[];
  readonly ref_rejected_logps?: readonly number[];
  readonly chosen_lengths?: readonly number[];
  readonly rejected_lengths?: readonly number[];
}

const unitsOf = (inputs: PairInputs): Unit[] =>
  inputs.policy_chosen_logps.map((logp, i) => [
    completion({
      logp,
      referenceLogp: inputs.ref_chosen_logps?.[i] ?? null,
      length: inputs.chosen_lengths?.[i] ?? 1,
    }),
    completion({
      logp: inputs.policy_rejected_logps[i]!,
      referenceLogp: inputs.ref_rejected_logps?.[i] ?? null,
      length: inputs.rejected_lengths?.[i] ?? 1,
    }),
  ]);

/** What the method makes of the case: loss, shares, rewards and gradients. */
function results(objective: Objective, inputs: PairInputs) {
  const { loss, terms } = evaluate(objective, unitsOf(inputs));
  return {
    loss,
    perPair: terms.map((term) => term.loss * terms.length),
    rewards: {
      rewards_chosen: terms.map(({ rewards }) => rewards[0]!),
      rewards_rejected: terms.map(({ rewards }) => rewards[1]!),
    },
    grads: {
      policy_chosen_logps: terms.map(({ gradients }) => gradients[0]),
      policy_rejected_logps: terms.map(({ gradients }) => gradients[1]),
    },
  };
}

const meanLikelihoodLoss = ({ policy_chosen_logps, chosen_lengths }: PairInputs) =>
  -sum(policy_chosen_logps) / sum(chosen_lengths!);

interface DpoParams {
  readonly beta: number;
  readonly label_smoothing?: number;
}

/** DPO's relatives have their names from TRL; conservative DPO is `sigmoid` with label smoothing. */
const dpo =
  (lossType: DpoLossType) =>
  ({ params, inputs }: LossCase<DpoParams, PairInputs>): Reproduced => {
    const settings = { beta: params.beta, labelSmoothing: params.label_smoothing ?? 0, lossType };
    const { loss, perPair, rewards, grads } = results(methods.dpo(settings), inputs);
    const right = rewards.rewards_chosen.filter((reward, i) => reward > rewards.rewards_rejected[i]!);
    return {
      outputs: { loss, per_example: perPair, ...rewards, accuracy: right.length / perPair.length },
      grads,
    };
  };

export const dpoCases = {
  'dpo/sigmoid': dpo('sigmoid'),
  'dpo/sigmoid_beta0.5': dpo('sigmoid'),
  'dpo/label_smoothing_0.1': dpo('sigmoid'),
  'dpo/label_smoothing_0.2': dpo('sigmoid'),
  'dpo/robust_0.1': dpo('robust'),
  'dpo/robust_0.2': dpo('robust'),
  'dpo/exo_pair': dpo('exo_pair'),
  'dpo/hinge': dpo('hinge'),
  'dpo/nca_pair': dpo('nca_pair'),
  'dpo/bco_pair': dpo('bco_pair'),
  'dpo/sppo_hard': dpo('sppo_hard'),
  'dpo/apo_zero': dpo('apo_zero'),
  'dpo/apo_down': dpo('apo_down'),
  'dpo/sigmoid_norm': dpo('sigmoid_norm'),
  'ipo/trl': dpo('ipo'),
};

export function cpo({
  params,
  inputs,
}: LossCase<{ beta: number; cpo_alpha: number }, PairInputs>): Reproduced {
  const settings = { beta: params.beta, labelSmoothing: 0, cpoAlpha: params.cpo_alpha };
  const { loss, grads } = results(methods.cpo(settings), inputs);
  const perPair = inputs.policy_chosen_logps.map(
    (chosen, i) => dpoSigmoid({ chosen, rejected: inputs.policy_rejected_logps[i]! }, settings).loss,
  );
  return { outputs: { loss, per_example: perPair, nll: meanLikelihoodLoss(inputs) }, grads };
}

export function orpo({ params, inputs }: LossCase<{ beta: number }, PairInputs>): Reproduced {
  const { loss, rewards, grads } = results(methods.orpo(params), inputs);
  const means = inputs.policy_chosen_logps.map((logp, i) => ({
    chosen: logp / inputs.chosen_lengths![i]!,
    rejected: inputs.policy_rejected_logps[i]! / inputs.rejected_lengths![i]!,
  }));
  const logOdds = (m: number) => m - Math.log(1 - Math.exp(m));
  return {
    outputs: {
      loss,
      per_example_or: means.map((pair) => oddsRatioTerm(pair, params).loss),
      nll: meanLikelihoodLoss(inputs),
      log_odds: means.map(({ chosen, rejected }) => logOdds(chosen) - logOdds(rejected)),
      ...rewards,
    },
    grads,
  };
}

function plain(objective: Objective, inputs: PairInputs): Reproduced {
  const { loss, perPair, grads } = results(objective, inputs);
  return { outputs: { loss, per_example: perPair }, grads };
}

export const slic = ({ params, inputs }: LossCase<{ beta: number; lambda_coef: number }, PairInputs>) =>
  plain(methods.slic({ beta: params.beta, lambdaCoef: params.lambda_coef }), inputs);

export const simpoTrl = ({ params, inputs }: LossCase<{ beta: number; simpo_gamma: number }, PairInputs>) =>
  plain(methods.simpo({ beta: params.beta, simpoGamma: params.simpo_gamma }), inputs);

/** HALOs' margin is of log-probs, not of rewards: γ/β. */
export const simpoHalos = ({
  params: { beta, gamma_beta_ratio },
  inputs,
}: LossCase<{ beta: number; gamma_beta_ratio: number }, PairInputs>) =>
  plain(methods.simpo({ beta, simpoGamma: beta * gamma_beta_ratio }), inputs);
