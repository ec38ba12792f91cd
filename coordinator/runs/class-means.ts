/** What the workers said of one completion of the batch. */
export interface CompletionResult {
  /** Thumbs up, the better one of a pair, or of a method that takes no label. */
  readonly chosen: boolean;
  readonly tokens: number;
  readonly logp: number;
  /** Null where the method has no reward. */
  readonly reward: number | null;
}

/** What the workers said of one example of the batch. */
export interface ExampleResult {
  /** Its share of the batch's loss. */
  readonly loss: number;
  readonly completions: readonly CompletionResult[];
}

/** The completions of a batch, in position order, by class. */
export interface CompletionsByClass {
  readonly chosen: readonly CompletionResult[];
  readonly rejected: readonly CompletionResult[];
}

/** Null for a class that the batch lacks, for a method without rewards, and for what is not finite. */
export interface ClassMeans {
  readonly 'rewards/chosen': number | null;
  readonly 'rewards/rejected': number | null;
  readonly 'rewards/margins': number | null;
  readonly 'logps/chosen': number | null;
  readonly 'logps/rejected': number | null;
}

export function completionsByClass(examples: readonly ExampleResult[]): CompletionsByClass {
  const completions = examples.flatMap((example) => example.completions);
  return {
    chosen: completions.filter((completion) => completion.chosen),
    rejected: completions.filter((completion) => !completion.chosen),
  };
}

export function classMeans({ chosen, rejected }: CompletionsByClass): ClassMeans {
  const rewardsChosen = mean(chosen.map(({ reward }) => reward));
  const rewardsRejected = mean(rejected.map(({ reward }) => reward));
  const margin = rewardsChosen === null || rewardsRejected === null ? null : rewardsChosen - rewardsRejected;
  return {
    'rewards/chosen': finiteOrNull(rewardsChosen),
    'rewards/rejected': finiteOrNull(rewardsRejected),
    'rewards/margins': finiteOrNull(margin),
    'logps/chosen': finiteOrNull(mean(chosen.map(({ logp }) => logp))),
    'logps/rejected': finiteOrNull(mean(rejected.map(({ logp }) => logp))),
  };
}

/** The batch's loss, from its examples' shares in it. */
export function sumOfLosses(examples: readonly ExampleResult[]): number | null {
  return finiteOrNull(examples.reduce((sum, { loss }) => sum + loss, 0));
}

/** Null for no values, or where one is null. */
export function mean(values: readonly (number | null)[]): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum / values.length;
}

export function finiteOrNull(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
