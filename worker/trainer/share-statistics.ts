import type { StageConfig } from '../../lib/config/types.js';
import type { Collective, OperationTag } from '../collective/collective.js';
import type { PolicyThread } from '../compute/policy-engine.js';
import { judgedCompletion, scoredCompletion } from '../compute/scored-completion.js';
import type { BatchStatistic, BatchStatistics, Objective } from '../losses/objective.js';
import { mergeInBatchOrder, packValues, type PositionedValues } from './batch-statistic.js';
import type { LeafAnswers } from './leaf-inputs.js';
import { mismatchedSequences, ownSequences, type BatchTask } from './work.js';

/** What the statistics of a batch are made with. */
export interface StatisticsContext {
  readonly stage: Pick<StageConfig, 'sharePrompts'>;
  readonly objective: Objective;
  readonly policy: PolicyThread;
  readonly collective: Collective;
}

/** Where their operation stands among the generation's, and what can end it early. */
interface Operation {
  readonly tag: OperationTag;
  readonly signal: AbortSignal;
}

/** What every example's loss depends on is made from numbers that each example shares, in batch order. */
export async function shareStatistics(
  task: BatchTask,
  reference: LeafAnswers | null,
  context: StatisticsContext,
  { tag, signal }: Operation,
): Promise<BatchStatistics> {
  const { batchStatistic } = context.objective;
  if (batchStatistic === null) return {};
  const shared =
    batchStatistic.from === 'mismatched'
      ? await shareMismatched(task, reference, batchStatistic, context, signal)
      : await shareOwn(task, batchStatistic, context, signal);
  const payloads = await context.collective.allGather(tag, packValues(shared));
  const { mismatchedPairs, examples } = task.counts;
  const count = batchStatistic.from === 'mismatched' ? mismatchedPairs : examples;
  return batchStatistic.finish(mergeInBatchOrder(payloads, count, batchStatistic.width));
}

/** PPO's moments: the critic, where there is one, values the batch's own completions without gradient. */
async function shareOwn(
  { leaves }: BatchTask,
  statistic: OwnStatistic,
  { objective, policy }: StatisticsContext,
  signal: AbortSignal,
): Promise<PositionedValues[]> {
  const shared: PositionedValues[] = [];
  for (const leaf of leaves) {
    signal.throwIfAborted();
    const values = objective.needsCritic ? (await policy.call('values', ownSequences(leaf))).values() : null;
    for (const { position, completions, desirable, score } of leaf) {
      const judged = completions.map((own) =>
        judgedCompletion(own, { desirable, score }, values?.next().value ?? null),
      );
      shared.push({ position, values: judged.flatMap((completion) => statistic.share(completion)) });
    }
  }
  return shared;
}

/** KTO's z0: the policy scores the mismatched pairs without gradient. */
async function shareMismatched(
  { leaves }: BatchTask,
  reference: LeafAnswers | null,
  statistic: MismatchedStatistic,
  { stage, policy }: StatisticsContext,
  signal: AbortSignal,
): Promise<PositionedValues[]> {
  const shared: PositionedValues[] = [];
  for (const [index, leaf] of leaves.entries()) {
    signal.throwIfAborted();
    const pairs = mismatchedSequences(leaf);
    if (pairs.length === 0) continue;
    // The first leaf is the first whose gradient is computed: its activations wait no longer than that.
    const logps = stage.sharePrompts
      ? await policy.call('scoreBranches', { own: ownSequences(leaf), branches: pairs, holds: index === 0 })
      : await policy.call('score', pairs);
    const scores = logps.values();
    leaf.forEach(({ position, mismatched, desirable, score }, i) => {
      if (mismatched === null) return;
      const judged = judgedCompletion(mismatched, { desirable, score }, null);
      const answer = reference?.[index]?.[i]?.mismatched ?? null;
      shared.push({
        position,
        values: statistic.share(scoredCompletion(judged, scores.next().value!, answer)),
      });
    });
  }
  return shared;
}

type OwnStatistic = Extract<BatchStatistic, { readonly from: 'own' }>;
type MismatchedStatistic = Extract<BatchStatistic, { readonly from: 'mismatched' }>;
