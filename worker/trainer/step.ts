import { RunError } from '../../lib/errors.js';
import type { StageConfig } from '../../lib/config/types.js';
import type { Collective } from '../collective/collective.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { ExampleTerm, OpenPolicy, PolicyEngine } from '../compute/policy-engine.js';
import { judgedCompletion, scoredCompletion } from '../compute/scored-completion.js';
import type { BatchStatistic, BatchStatistics, Objective } from '../losses/objective.js';
import { clipScale, gradientNorm } from '../optimizer/gradient-norm.js';
import { learningRateAt } from '../optimizer/schedule.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { BLOCK_SIZE, type ParameterLayout } from '../parameters/layout.js';
import { accumulationPlan, type TreeNode } from '../reduction/tree.js';
import type { ReferenceAnswer } from '../reference/answer.js';
import { mergeInBatchOrder, packValues, type PositionedValues } from './batch-statistic.js';
import { PhaseClock, type PhaseTimes } from './phase-clock.js';
import { mismatchedSequences, ownSequences, type StepTask } from './work.js';

/** Everything of a stage that a step needs. */
export interface StepContext {
  readonly stage: StageConfig;
  readonly totalSteps: number;
  readonly rank: number;
  readonly objective: Objective;
  readonly policy: EngineThread<OpenPolicy, PolicyEngine>;
  readonly collective: Collective;
  readonly layout: ParameterLayout;
  /** Both weight buffers; the policy says which one a step proposes. */
  readonly weights: readonly [FlatBuffer, FlatBuffer];
}

/** The reference's answers, per leaf and example. */
export type LeafAnswers = readonly (readonly ReferenceAnswer[])[];

/** What this worker reports of a step. */
export interface StepOutcome {
  /** Per leaf, in leaf order. */
  readonly terms: readonly (readonly ExampleTerm[])[];
  readonly reference: LeafAnswers | null;
  readonly statistics: BatchStatistics;
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly times: PhaseTimes;
}

/** Operations of a step on the collective, in order. */
const Phase = { statistic: 0, gradients: 1, norm: 2, weights: 3 } as const;

/**
 * One optimizer step, up to the commit: afterwards the new weights lie beside the current ones on every worker.
 * DESIGN section 1 numbers its parts.
 */
export async function trainStep(
  task: StepTask,
  answers: Promise<LeafAnswers> | null,
  context: StepContext,
): Promise<StepOutcome> {
  const { stage, totalSteps, policy, collective } = context;
  const clock = new PhaseClock();

  // 3. Reference: asked when the work arrived, a step ahead.
  const reference = await clock.time('reference', answers);
  // 4. Batch statistics: what every example's loss depends on.
  const statistics = await clock.time('statistic', shareStatistics(task, reference, context));
  // 5. Loss and gradient, leaf by leaf.
  const { terms, nodes } = await clock.time(
    'gradient',
    sumLeafGradients(task, reference, statistics, context),
  );
  // 6. All-reduce: finish the sum on the owned part, clip by the global norm, update, and share the new weights.
  const squares = await clock.time('allReduce', reduceGradients(task, nodes, context));
  const norm = finiteNorm(squares, task, terms, context.layout);
  const learningRate = learningRateAt(task.step, totalSteps, stage);
  const scale = { step: task.step, learningRate, clip: clipScale(norm, stage.maxGradNorm) };
  const proposed = await clock.time('update', policy.call('proposeWeights', scale));
  const next = context.weights[proposed === 0 ? 0 : 1];
  await clock.time('allReduce', collective.allGatherParts(tagOf(task, Phase.weights), next));

  return { terms, reference, statistics, gradientNorm: norm, learningRate, times: clock.times };
}

const tagOf = ({ stage, step }: StepTask, phase: number) => ({ stage, step, phase });

/** What every example's loss depends on is made from numbers that each example shares, in batch order. */
async function shareStatistics(
  task: StepTask,
  reference: LeafAnswers | null,
  context: StepContext,
): Promise<BatchStatistics> {
  const { batchStatistic } = context.objective;
  if (batchStatistic === null) return {};
  const shared =
    batchStatistic.from === 'mismatched'
      ? await shareMismatched(task, reference, batchStatistic, context)
      : await shareOwn(task, batchStatistic, context);
  const payload = packValues(shared);
  const payloads = await context.collective.allGather(tagOf(task, Phase.statistic), payload);
  const { mismatchedPairs, examples } = task.counts;
  const count = batchStatistic.from === 'mismatched' ? mismatchedPairs : examples;
  return batchStatistic.finish(mergeInBatchOrder(payloads, count, batchStatistic.width));
}

/** PPO's moments: the critic, where there is one, values the batch's own completions without gradient. */
async function shareOwn(
  { leaves }: StepTask,
  statistic: OwnStatistic,
  { objective, policy }: StepContext,
): Promise<PositionedValues[]> {
  const shared: PositionedValues[] = [];
  for (const leaf of leaves) {
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
  task: StepTask,
  reference: LeafAnswers | null,
  statistic: MismatchedStatistic,
  { policy }: StepContext,
): Promise<PositionedValues[]> {
  const shared: PositionedValues[] = [];
  for (const [index, leaf] of task.leaves.entries()) {
    const pairs = mismatchedSequences(leaf);
    if (pairs.length === 0) continue;
    const scores = (await policy.call('score', pairs)).values();
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

interface LocalSum {
  readonly terms: readonly (readonly ExampleTerm[])[];
  readonly nodes: readonly { readonly node: TreeNode; readonly slot: number; readonly values: FlatBuffer }[];
}

/** Gradients of this worker's leaves, summed as the fixed tree over all leaves says. */
async function sumLeafGradients(
  task: StepTask,
  reference: LeafAnswers | null,
  statistics: BatchStatistics,
  { rank, policy, layout }: StepContext,
): Promise<LocalSum> {
  const run = task.runs[rank]!;
  const plan = accumulationPlan(run, task.leafCount);
  const slots = await policy.call('reserveSlots', plan.slotCount);
  const terms: (readonly ExampleTerm[])[] = [];
  for (const step of plan.steps) {
    if (step.kind === 'merge') {
      await policy.call('mergeSlots', step.from, step.into);
      continue;
    }
    const index = step.leaf - run.first;
    const leaf = task.leaves[index]!;
    terms[index] = await policy.call('leafGradient', {
      examples: leaf.map(({ completions, desirable, score }, i) => ({
        completions,
        desirable,
        score,
        reference: reference?.[index]?.[i] ?? null,
      })),
      statistics,
      counts: task.counts,
      slot: step.slot,
      accumulate: step.accumulate,
    });
  }
  const nodes = plan.nodes.map(({ node, slot }) => ({
    node,
    slot,
    values: FlatBuffer.wrap(layout, slots[slot]!),
  }));
  return { terms, nodes };
}

/** The whole batch's gradient on the owned part; returns all blocks' sums of squares, in block order, in float64. */
async function reduceGradients(
  task: StepTask,
  nodes: LocalSum['nodes'],
  { policy, collective, layout }: StepContext,
): Promise<Float64Array> {
  const parts = await collective.reduceScatter(
    tagOf(task, Phase.gradients),
    layout,
    nodes,
    task.runs,
    task.leafCount,
  );
  const localSlots = new Map(nodes.map(({ node, slot }) => [node.firstLeaf, slot]));
  const ownSums = await policy.call('finishGradient', parts, localSlots, task.leafCount);
  const payloads = await collective.allGather(tagOf(task, Phase.norm), new Uint8Array(ownSums.buffer));
  const bytes = Buffer.concat(payloads);
  if (bytes.byteLength !== (layout.size / BLOCK_SIZE) * Float64Array.BYTES_PER_ELEMENT) {
    throw new RunError(`step ${task.step}: the workers sent ${bytes.byteLength} bytes of block sums`);
  }
  return new Float64Array(Uint8Array.from(bytes).buffer);
}

/** The gradient's norm. @throws RunError naming the tensor, and the rows where they show, if it is not finite */
function finiteNorm(
  squares: Float64Array,
  { step, leaves }: StepTask,
  terms: LocalSum['terms'],
  { tensors }: ParameterLayout,
): number {
  const norm = gradientNorm(squares);
  if (Number.isFinite(norm)) return norm;
  const offset = squares.findIndex((sum) => !Number.isFinite(sum)) * BLOCK_SIZE;
  const tensor = tensors.find((place) => place.offset + place.size > offset);
  const rows = leaves.flatMap((leaf, i) =>
    leaf.filter((_, j) => !Number.isFinite(terms[i]?.[j]?.loss)).map(({ row }) => row),
  );
  const where = rows.length === 0 ? '' : `; the loss of data rows ${rows.join(', ')} is not finite`;
  throw new RunError(
    `step ${step}: the gradient of ${tensor?.name ?? 'a parameter'} is not finite${where}. ` +
      'No weight was changed; a lower learning_rate or max_grad_norm may help',
  );
}
