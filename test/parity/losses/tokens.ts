import { tokenAdvantages, whiten } from '../../../worker/losses/advantages.js';
import { methods } from '../../../worker/losses/methods.js';
import type { ScoredCompletion } from '../../../worker/losses/objective.js';
import { clippedTerm, criticTerm } from '../../../worker/losses/ppo-clip.js';
import { completion, evaluate, sum, type LossCase, type Reproduced } from './golden.js';
import { settingsOf, type KtoParams } from './unpaired.js';

type Rows = readonly (readonly number[])[];

const lengthOf = (mask: readonly number[]) => sum(mask);

/** Values of a row's tokens, with the golden's padding of zeros. */
const padded = (values: ArrayLike<number>, mask: readonly number[]) => mask.map((_, t) => values[t] ?? 0);

/** One gradient by token, from one for all of them or one for each. */
const byToken = (gradient: number | Float64Array, length: number) =>
  typeof gradient === 'number' ? new Float64Array(length).fill(gradient) : gradient;

export function sft({ inputs }: LossCase<unknown, { policy_token_logps: Rows; mask: Rows }>): Reproduced {
  const rows = inputs.mask.map((mask, row) => {
    const length = lengthOf(mask);
    return completion({ logp: sum(inputs.policy_token_logps[row]!.slice(0, length)), length });
  });
  const { loss, terms } = evaluate(
    methods.sft(),
    rows.map((row) => [row]),
  );
  const tokens = sum(rows.map(({ length }) => length));
  return {
    outputs: { loss, per_example_nll_sum: terms.map((term) => term.loss * tokens), tokens },
    grads: {
      policy_token_logps: terms.map(({ gradients }, row) =>
        padded(byToken(gradients[0]!, rows[row]!.length), inputs.mask[row]!),
      ),
    },
  };
}

interface HumanlineInputs {
  readonly policy_token_logps: Rows;
  readonly ref_token_logps: Rows;
  readonly policy_KL_token_logps: Rows;
  readonly ref_KL_token_logps: Rows;
  readonly label: readonly boolean[];
}

const scoredRow = (logps: readonly number[], referenceLogps: readonly number[]): ScoredCompletion =>
  completion({
    logp: sum(logps),
    referenceLogp: sum(referenceLogps),
    tokens: { logps, referenceLogps },
    length: logps.length,
  });

/** HALOs reports its rewards without beta. */
export function humanline({
  params,
  inputs,
}: LossCase<KtoParams & { log_epsilon_P: number; log_epsilon_R: number }, HumanlineInputs>): Reproduced {
  const objective = methods.kto({
    ...settingsOf(params),
    z0Denominator: 'nonzero',
    humanline: { logEpsilonP: params.log_epsilon_P, logEpsilonR: params.log_epsilon_R },
    scoreScale: null,
  });
  const { batchStatistic } = objective;
  if (batchStatistic?.from !== 'mismatched') throw new Error('KTO has another statistic');
  const mismatched = inputs.policy_KL_token_logps.map((logps, row) =>
    scoredRow(logps, inputs.ref_KL_token_logps[row]!),
  );
  const statistics = batchStatistic.finish(mismatched.flatMap((pair) => batchStatistic.share(pair)));
  const units = inputs.policy_token_logps.map((logps, row) => [
    { ...scoredRow(logps, inputs.ref_token_logps[row]!), desirable: inputs.label[row]! },
  ]);
  const { loss, terms } = evaluate(objective, units, statistics);
  return {
    outputs: {
      loss,
      per_example: terms.map((term) => term.loss * terms.length),
      rewards: terms.map(({ rewards }) => rewards[0]! / params.beta),
      kl: statistics.z0,
    },
    // The case has no mask: its padding has log-ratio 0, between the bounds, and so a gradient.
    grads: { policy_token_logps: terms.map(({ gradients }) => gradients[0]) },
  };
}

interface PpoParams {
  readonly cliprange: number;
  readonly gamma: number;
  readonly lam: number;
  readonly critic_coef: number;
  readonly KL_coef: number;
}

interface PpoInputs {
  readonly policy_token_logps: Rows;
  readonly ref_token_logps: Rows;
  readonly mask: Rows;
  readonly label: readonly boolean[];
  readonly values_old?: Rows;
  readonly values?: Rows;
}

export function ppo({ params, inputs }: LossCase<PpoParams, PpoInputs>): Reproduced {
  const { mask } = inputs;
  const settings = {
    clipRange: params.cliprange,
    gamma: params.gamma,
    lam: params.lam,
    criticCoef: params.critic_coef,
    klCoef: params.KL_coef,
  };
  const objective = methods.ppo_clip(settings);
  const { batchStatistic } = objective;
  if (batchStatistic?.from !== 'own') throw new Error('PPO has another statistic');
  const rows = mask.map((ofRow, row) => {
    const cut = (values: Rows) => values[row]!.slice(0, lengthOf(ofRow));
    return {
      ...scoredRow(cut(inputs.policy_token_logps), cut(inputs.ref_token_logps)),
      desirable: inputs.label[row]!,
      critic:
        inputs.values === undefined || inputs.values_old === undefined
          ? null
          : { values: cut(inputs.values), oldValues: cut(inputs.values_old) },
    };
  });
  const statistics = batchStatistic.finish(rows.flatMap((row) => batchStatistic.share(row)));
  const { loss, terms } = evaluate(
    objective,
    rows.map((row) => [row]),
    statistics,
  );

  // The parts that the goldens name, from the functions that the loss is made of.
  const tokenCount = sum(rows.map(({ length }) => length));
  const outcomes = rows.map(({ desirable, length, critic }) =>
    tokenAdvantages(desirable ? 1 : -1, length, critic?.oldValues ?? null, settings),
  );
  const advantages = outcomes.map((outcome) => whiten(outcome.advantages, statistics.advantages!));
  const perToken = <T>(value: (row: (typeof rows)[number], t: number, index: number) => T) =>
    rows.flatMap((row, index) => Array.from({ length: row.length }, (_, t) => value(row, t, index)));
  const ratio = ({ tokens }: ScoredCompletion, t: number) => tokens!.logps[t]! - tokens!.referenceLogps[t]!;
  const clipped = perToken((row, t, index) =>
    clippedTerm(ratio(row, t), advantages[index]![t]!, settings.clipRange),
  );
  const criticLoss = perToken(({ critic }, t, index) =>
    critic === null ? 0 : criticTerm(critic.values[t]!, outcomes[index]!.returns[t]!).loss,
  );
  const withCritic = inputs.values !== undefined;
  return {
    outputs: {
      loss,
      policy_loss: sum(clipped.map((term) => term.loss)) / tokenCount,
      kl_penalty: sum(perToken(ratio)) / tokenCount,
      ...(withCritic && { critic_loss: sum(criticLoss) / tokenCount }),
      advantages: advantages.map((values, row) => padded(values, mask[row]!)),
      discounted_rewards: outcomes.map(({ returns }, row) => padded(returns, mask[row]!)),
      clip_fraction: clipped.filter(({ slope }) => slope === 0).length / tokenCount,
    },
    grads: {
      policy_token_logps: terms.map(({ gradients }, row) =>
        padded(byToken(gradients[0]!, rows[row]!.length), mask[row]!),
      ),
      ...(withCritic && {
        values: terms.map(({ valueGradients }, row) => padded(valueGradients![0]!, mask[row]!)),
      }),
    },
  };
}
