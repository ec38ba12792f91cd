import { untilAborted } from '../../lib/abort.js';
import { RunError } from '../../lib/errors.js';
import type { StageConfig } from '../../lib/config/types.js';
import type { Collective, NodePart, Transfer } from '../collective/collective.js';
import type { LeafTarget } from '../compute/gradient-slot.js';
import type { ExampleTerm, LeafTask, PolicyThread } from '../compute/policy-engine.js';
import { judgedCompletion, scoredCompletion } from '../compute/scored-completion.js';
import type { BatchStatistic, BatchStatistics, Objective } from '../losses/objective.js';
import { clipScale, gradientNorm } from '../optimizer/gradient-norm.js';
import { learningRateAt } from '../optimizer/schedule.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { BLOCK_SIZE, type ParameterLayout } from '../parameters/layout.js';
import { predecessorOf, successorOf, type HeldParts, type Place } from '../parameters/optimizer-part.js';
import { FinalTensors } from '../reduction/final-tensors.js';
import { accumulationPlan, type LeafStep, type TreeNode } from '../reduction/tree.js';
import type { ReferenceAnswer } from '../reference/answer.js';
import { mergeInBatchOrder, packValues, type PositionedValues } from './batch-statistic.js';
import { findNonFinite, type NonFinite } from './non-finite.js';
import { PhaseClock, type PhaseTimes } from './phase-clock.js';
import { mismatchedSequences, ownSequences, type StepTask } from './work.js';

/** Everything of a stage that a step needs. */
export interface StepContext {
  readonly stage: StageConfig;
  readonly totalSteps: number;
  readonly objective: Objective;
  readonly policy: PolicyThread;
  readonly collective: Collective;
  readonly layout: ParameterLayout;
  /** Both weight buffers; the policy says which one a step proposes. */
  readonly weights: readonly [FlatBuffer, FlatBuffer];
}

/** What a step starts from, and what can end it early. */
export interface StepStart {
  readonly place: Place;
  readonly parts: HeldParts;
  /** Steps so far that changed the weights. */
  readonly updates: number;
  /** Aborted when the generation is over. */
  readonly signal: AbortSignal;
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
  /** Null where all numbers are finite. */
  readonly nonFinite: NonFinite | null;
  readonly times: PhaseTimes;
}

/** Operations of a step on the collective, in order. */
const Phase = { statistic: 0, gradients: 1, backup: 2, norm: 3, weights: 4 } as const;

/**
 * One optimizer step, up to the commit: afterwards the new weights lie beside the current ones on every worker, unless the
 * gradient is not finite. DESIGN section 1 numbers its parts.
 *
 * @throws CollectiveError where the workers cannot go on together, or the signal's reason; nothing has changed then
 */
export async function trainStep(
  task: StepTask,
  answers: Promise<LeafAnswers> | null,
  context: StepContext,
  start: StepStart,
): Promise<StepOutcome> {
  const { stage, totalSteps, policy, collective } = context;
  const clock = new PhaseClock();

  // 3. Reference: asked when the work arrived, a step ahead.
  const reference = await clock.time('reference', answers && untilAborted(answers, start.signal));
  // 4. Batch statistics: what every example's loss depends on.
  const statistics = await clock.time('statistic', shareStatistics(task, reference, context, start));
  // 5. Loss and gradient, leaf by leaf; what is final leaves for its owners meanwhile.
  const leafTasks = leafTasksOf(task, reference, statistics);
  const sums = await beginSums(task, context, start);
  const terms = await clock.time('gradient', computeLeaves(task, leafTasks, sums, context, start));
  // 6. All-reduce: finish the sum on the owned part, clip by the global norm, update, and share the new weights.
  const { squares, backedUp } = await clock.time('allReduce', reduceGradients(task, sums, context, start));
  const norm = gradientNorm(squares);
  const learningRate = learningRateAt(task.step, totalSteps, stage);
  if (Number.isFinite(norm)) {
    const scale = { step: start.updates + 1, learningRate, clip: clipScale(norm, stage.maxGradNorm) };
    const proposed = await clock.time('update', policy.call('proposeWeights', scale));
    const weights = collective.allGatherParts(tagOf(task, Phase.weights), context.weights[proposed]);
    await clock.time('allReduce', weights);
  }
  await clock.time('allReduce', backedUp);
  const nonFinite = await findNonFinite(norm, task, { leafTasks, terms }, context);

  const { times } = clock;
  return { terms, reference, statistics, gradientNorm: norm, learningRate, nonFinite, times };
}

const tagOf = ({ stage, step }: StepTask, phase: number) => ({ stage, step, phase });

/** What every example's loss depends on is made from numbers that each example shares, in batch order. */
async function shareStatistics(
  task: StepTask,
  reference: LeafAnswers | null,
  context: StepContext,
  start: StepStart,
): Promise<BatchStatistics> {
  const { batchStatistic } = context.objective;
  if (batchStatistic === null) return {};
  const shared =
    batchStatistic.from === 'mismatched'
      ? await shareMismatched(task, reference, batchStatistic, context, start)
      : await shareOwn(task, batchStatistic, context, start);
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
  { signal }: StepStart,
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
  task: StepTask,
  reference: LeafAnswers | null,
  statistic: MismatchedStatistic,
  { policy }: StepContext,
  { signal }: StepStart,
): Promise<PositionedValues[]> {
  const shared: PositionedValues[] = [];
  for (const [index, leaf] of task.leaves.entries()) {
    signal.throwIfAborted();
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

/** This worker's partial sums of the gradient, as the fixed tree over all leaves says. */
interface LocalSums {
  readonly steps: readonly LeafStep[];
  readonly nodes: readonly {
    readonly node: TreeNode;
    readonly slot: number;
    readonly values: FlatBuffer;
    readonly ready: FinalTensors;
  }[];
  /** The nodes of all workers over the owned part. */
  readonly parts: Promise<readonly NodePart[]>;
}

/** A leaf as the policy computes it, wherever its gradient goes. */
export type LeafInputs = Omit<LeafTask, keyof LeafTarget>;

function leafTasksOf(
  { leaves, counts }: StepTask,
  reference: LeafAnswers | null,
  statistics: BatchStatistics,
): readonly LeafInputs[] {
  return leaves.map((leaf, index) => ({
    examples: leaf.map(({ completions, desirable, score }, i) => ({
      completions,
      desirable,
      score,
      reference: reference?.[index]?.[i] ?? null,
    })),
    statistics,
    counts,
  }));
}

/** Begins to share the sums before they are computed: each tensor leaves as soon as it is final. */
async function beginSums(
  task: StepTask,
  { policy, collective, layout }: StepContext,
  { place }: StepStart,
): Promise<LocalSums> {
  const plan = accumulationPlan(task.runs[place.rank]!, task.leafCount);
  const slots = await policy.call('reserveSlots', plan.slotCount);
  const nodes = plan.nodes.map(({ node, slot }) => ({
    node,
    slot,
    values: FlatBuffer.wrap(layout, slots[slot]!),
    ready: new FinalTensors(layout),
  }));
  const tag = tagOf(task, Phase.gradients);
  const parts = collective.reduceScatter(tag, layout, nodes, task.runs, task.leafCount);
  // Raised where the leaves are computed, or where the parts are awaited.
  parts.catch(() => undefined);
  return { steps: plan.steps, nodes, parts };
}

/** Losses and gradients of this worker's leaves. Ends early where the workers cannot go on together. */
async function computeLeaves(
  task: StepTask,
  leafTasks: readonly LeafInputs[],
  { steps, nodes, parts }: LocalSums,
  { policy }: StepContext,
  { place, signal }: StepStart,
): Promise<readonly (readonly ExampleTerm[])[]> {
  const { first } = task.runs[place.rank]!;
  const terms: (readonly ExampleTerm[])[] = [];
  for (const { leaf, ...target } of steps) {
    signal.throwIfAborted();
    const ready = target.completes === null ? null : nodes[target.completes]!.ready;
    const leafTask = { ...leafTasks[leaf - first]!, ...target };
    const computed = policy.listen((tensor) => ready?.add(tensor), 'leafGradient', leafTask);
    // For its failure only: where the others are lost, nobody waits for the leaf.
    await Promise.race([computed, parts]);
    terms[leaf - first] = await computed;
  }
  return terms;
}

interface ReducedGradients {
  /** All blocks' sums of squares, in block order, in float64. */
  readonly squares: Float64Array;
  /** Settles when the second owners have their parts. */
  readonly backedUp: Promise<void>;
}

/** The whole batch's gradient, on its part's owner and second owner. */
async function reduceGradients(
  task: StepTask,
  { nodes, parts: nodeParts }: LocalSums,
  { policy, collective, layout }: StepContext,
  { place, parts }: StepStart,
): Promise<ReducedGradients> {
  const localSlots = new Map(nodes.map(({ node, slot }) => [node.firstLeaf, slot]));
  const ownSums = await policy.call('finishGradient', await nodeParts, localSlots, task.leafCount);
  const backedUp = collective.transfer(tagOf(task, Phase.backup), backUpGradient(place, parts));
  // Its failure is the collective's, which the operations before the one that awaits it will meet too.
  backedUp.catch(() => undefined);
  const payloads = await collective.allGather(tagOf(task, Phase.norm), new Uint8Array(ownSums.buffer));
  const bytes = Buffer.concat(payloads);
  if (bytes.byteLength !== (layout.size / BLOCK_SIZE) * Float64Array.BYTES_PER_ELEMENT) {
    throw new RunError(`step ${task.step}: the workers sent ${bytes.byteLength} bytes of block sums`);
  }
  return { squares: new Float64Array(Uint8Array.from(bytes).buffer), backedUp };
}

/** Each owner's reduced gradient to the second owner of its part, which moves the same moments by it. */
function backUpGradient(place: Place, { owned, backup }: HeldParts): Transfer {
  return {
    facts: 'the reduced gradient, to the second owner',
    outgoing: (to) => (to === successorOf(place) ? [new Float32Array(owned.gradient)] : []),
    incoming: (from) =>
      backup !== null && from === predecessorOf(place) ? [new Float32Array(backup.gradient)] : [],
  };
}
