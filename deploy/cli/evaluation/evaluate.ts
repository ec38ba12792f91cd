import type { Example } from '../../../coordinator/data/example.js';
import { mismatchedCompletion, pairMismatched } from '../../../coordinator/plan/pairing.js';
import type { StageConfig } from '../../../lib/config/types.js';
import { ConfigError } from '../../../lib/errors.js';
import type { Sequence } from '../../../worker/model/language-model.js';
import { joinSequence } from '../sequence.js';
import { feedbackStatistics, logpPerToken, type FeedbackStatistics } from './statistics.js';

/** Held-out rows before and after a stage; what is written to `eval.json`. */
export type Evaluation =
  | ({ readonly method: 'kto'; readonly beta: number } & BeforeAfter<FeedbackStatistics>)
  | ({ readonly method: 'sft' } & BeforeAfter<FineTuningStatistics>);

interface BeforeAfter<Statistics> {
  readonly rows: number;
  readonly before: Statistics;
  readonly after: Statistics;
}

export interface FineTuningStatistics {
  /** Mean log-prob of a completion token, in nats. */
  readonly logpPerToken: number;
}

/** Sums of completion log-probs under the model of a directory, in nats, in the order of the sequences. */
export type Scorer = (modelDir: string, sequences: readonly Sequence[]) => Promise<Float64Array>;

/** Hugging Face directories. */
export interface EvaluatedModels {
  readonly before: string;
  readonly after: string;
  readonly reference: string;
}

type StageSettings = Pick<StageConfig, 'objective' | 'globalBatchSize' | 'maxLength'>;

/**
 * Judges the model of before and after a stage by rows that the stage was not trained on.
 * @throws ConfigError for KTO where no two rows make a mismatched pair, so that there is no z0, and for a method whose
 * rows it cannot judge.
 */
export async function evaluate(
  examples: readonly Example[],
  models: EvaluatedModels,
  stage: StageSettings,
  scorer: Scorer,
): Promise<Evaluation> {
  const rows = examples.length;
  const { objective } = stage;
  if (objective.method === 'sft') {
    const judge = async (model: string) => {
      const logps = await scorer(model, examples.map(joinSequence));
      return { logpPerToken: logpPerToken(examples.map((example, i) => judged(example, logps[i]!, 0))) };
    };
    return { method: 'sft', rows, before: await judge(models.before), after: await judge(models.after) };
  }
  if (objective.method !== 'kto') {
    throw new ConfigError(`data.eval: rows for method ${objective.method} cannot be judged yet; remove it`);
  }
  const { beta } = objective;
  const { before, after } = await judgeFeedback(examples, models, { ...stage, beta }, scorer);
  return { method: 'kto', beta, rows, before, after };
}

async function judgeFeedback(
  examples: readonly Example[],
  models: EvaluatedModels,
  { beta, ...stage }: StageSettings & { readonly beta: number },
  scorer: Scorer,
): Promise<{ before: FeedbackStatistics; after: FeedbackStatistics }> {
  const own = examples.map(joinSequence);
  const mismatched = mismatchedPairs(examples, stage);
  const scores = new Map<string, { own: Float64Array; mismatched: Float64Array }>();
  // Two of the three are often one model: it is scored once.
  for (const model of new Set(Object.values(models) as string[])) {
    const logps = await scorer(model, [...own, ...mismatched]);
    scores.set(model, { own: logps.subarray(0, own.length), mismatched: logps.subarray(own.length) });
  }
  const reference = scores.get(models.reference)!;
  const judge = (model: string) => {
    const policy = scores.get(model)!;
    const rows = examples.map((example, i) => judged(example, policy.own[i]!, reference.own[i]!));
    const pairs = Array.from(policy.mismatched, (policyLogp, i) => ({
      policyLogp,
      referenceLogp: reference.mismatched[i]!,
    }));
    return feedbackStatistics(rows, pairs, beta);
  };
  return { before: judge(models.before), after: judge(models.after) };
}

/**
 * The prompts with completions of other rows that z0 is estimated from.
 * @throws ConfigError where no two rows make one.
 */
export function mismatchedPairs(
  examples: readonly Example[],
  { globalBatchSize, maxLength }: Omit<StageSettings, 'objective'>,
): Sequence[] {
  const mismatched = pairMismatched(examples, globalBatchSize).flatMap((donor, index) => {
    if (donor === null) return [];
    const { promptIds } = examples[index]!;
    const completionIds = mismatchedCompletion(examples[index]!, examples[donor]!, maxLength);
    return [joinSequence({ promptIds, completionIds })];
  });
  if (mismatched.length > 0) return mismatched;
  throw new ConfigError(
    'data.eval has no two rows with different prompts, so there is no z0 to judge them by',
  );
}

function judged({ desirable, completionIds }: Example, policyLogp: number, referenceLogp: number) {
  return { desirable: desirable === true, completionTokens: completionIds.length, policyLogp, referenceLogp };
}
