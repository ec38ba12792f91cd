import { required, type Objective, type ScoredCompletion, type Unit } from './objective.js';

/** Something of both completions of a pair. */
export interface Pair<T> {
  readonly chosen: T;
  readonly rejected: T;
}

/** A pair's loss before averaging, and its slope by the score of each completion. */
export interface PairTerm {
  readonly loss: number;
  readonly slopes: Pair<number>;
}

/** A loss of one pair from what it sees of each completion: a log-ratio or log-prob, of the whole or per token. */
export type PairLoss = (scores: Pair<number>) => PairTerm;

/** A loss of the margin chosen − rejected, from its value and its slope there. */
export function ofMargin(loss: number, slope: number): PairTerm {
  return { loss, slopes: { chosen: slope, rejected: -slope } };
}

interface PairedMethod {
  readonly needsReference: boolean;
  /** What the loss sees of a completion, in nats; it must be log π(y|x) plus a constant. */
  readonly score: (completion: ScoredCompletion) => number;
  /** Divide the score by the completion's length. */
  readonly perToken: boolean;
  readonly loss: PairLoss;
  /** Weight of the chosen completions' negative log-likelihood, averaged over all of the batch's chosen tokens. */
  readonly likelihoodWeight: number;
  readonly reward: (completion: ScoredCompletion) => number;
}

/** The objective of a method over pairs: the mean of its loss over pairs, and its likelihood term. */
export function paired({ score, perToken, ...method }: PairedMethod): Objective {
  const divisorOf = ({ length }: ScoredCompletion) => (perToken ? length : 1);
  return {
    rows: 'paired',
    needsReference: method.needsReference,
    tokenLevel: false,
    needsCritic: false,
    batchStatistic: null,
    term: (unit, { counts }) => {
      const { chosen, rejected } = pairOf(unit);
      const { loss, slopes } = method.loss({
        chosen: score(chosen) / divisorOf(chosen),
        rejected: score(rejected) / divisorOf(rejected),
      });
      const likelihood = method.likelihoodWeight === 0 ? 0 : method.likelihoodWeight / counts.chosenTokens;
      return {
        loss: loss / counts.examples - likelihood * chosen.logp,
        rewards: [method.reward(chosen), method.reward(rejected)],
        gradients: [
          slopes.chosen / divisorOf(chosen) / counts.examples - likelihood,
          slopes.rejected / divisorOf(rejected) / counts.examples,
        ],
        valueGradients: null,
      };
    },
  };
}

function pairOf(unit: Unit): Pair<ScoredCompletion> {
  const [chosen, rejected] = required(
    unit.length === 2 ? unit : null,
    'pairs of a chosen and a rejected completion',
  );
  return { chosen: chosen!, rejected: rejected! };
}
