/** A row of held-out feedback with the log-probs that judge a model by it. */
export interface JudgedRow {
  readonly desirable: boolean;
  readonly completionTokens: number;
  /** Sum of the completion's token log-probs, natural log. */
  readonly policyLogp: number;
  readonly referenceLogp: number;
}

/** The same sums for a row's prompt with another row's completion. */
export interface MismatchedPair {
  readonly policyLogp: number;
  readonly referenceLogp: number;
}

export interface FeedbackStatistics {
  /** KTO's reference point: the mean log-ratio of the mismatched pairs, clamped at 0; in nats. */
  readonly z0: number;
  /** null for a class without rows. */
  readonly desirable: ClassStatistics | null;
  readonly undesirable: ClassStatistics | null;
}

export interface ClassStatistics {
  readonly rows: number;
  /** Of the rows, how many are where feedback wants them: log-ratio above z0 if desirable, below it if not. */
  readonly rightSideShare: number;
  /** Mean of beta · (policy log-prob − reference log-prob). */
  readonly meanReward: number;
  /** Mean log-prob of a completion token, in nats, over all tokens of the class. */
  readonly logpPerToken: number;
}

/** Judges a policy by feedback as KTO does (Ethayarajh et al. 2024, equations 7 and 8). */
export function feedbackStatistics(
  rows: readonly JudgedRow[],
  pairs: readonly MismatchedPair[],
  beta: number,
): FeedbackStatistics {
  const z0 = Math.max(0, mean(pairs.map(logRatio)));
  const ofClass = (desirable: boolean): ClassStatistics | null => {
    const members = rows.filter((row) => row.desirable === desirable);
    if (members.length === 0) return null;
    const isRight = (row: JudgedRow) => (desirable ? logRatio(row) > z0 : logRatio(row) < z0);
    return {
      rows: members.length,
      rightSideShare: members.filter(isRight).length / members.length,
      meanReward: beta * mean(members.map(logRatio)),
      logpPerToken: logpPerToken(members),
    };
  };
  return { z0, desirable: ofClass(true), undesirable: ofClass(false) };
}

/** Mean log-prob of a completion token, in nats, over all tokens of `rows`. */
export function logpPerToken(rows: readonly Pick<JudgedRow, 'policyLogp' | 'completionTokens'>[]): number {
  return sum(rows.map((row) => row.policyLogp)) / sum(rows.map((row) => row.completionTokens));
}

function logRatio({ policyLogp, referenceLogp }: MismatchedPair): number {
  return policyLogp - referenceLogp;
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
