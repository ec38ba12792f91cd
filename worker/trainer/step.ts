import { untilAborted } from '../../lib/abort.js';
import { RunError } from '../../lib/errors.js';
import type { StageConfig } from '../../lib/config/types.js';
import type { NodePart, Transfer } from '../collective/collective.js';
import type { ExampleTerm, LeafInputs } from '../compute/policy-engine.js';
import type { BatchStatistics } from '../losses/objective.js';
import { clipScale, gradientNorm } from '../optimizer/gradient-norm.js';
import { learningRateAt } from '../optimizer/schedule.js';
import { bySegment, FlatBuffer } from '../parameters/flat-buffer.js';
import { BLOCK_SIZE, type ParameterLayout } from '../parameters/layout.js';
import {
  pieceOf,
  predecessorOf,
  successorOf,
  type HeldParts,
  type Place,
} from '../parameters/optimizer-part.js';
import { FinalTensors } from '../reduction/final-tensors.js';
import { accumulationPlan, GRADIENT_SLOT, type LeafStep, type TreeNode } from '../reduction/tree.js';
import { leafInputsOf, type LeafAnswers } from './leaf-inputs.js';
import { findNonFinite, type NonFinite } from './non-finite.js';
import { PhaseClock, type PhaseTimes } from './phase-clock.js';
import { shareStatistics, type StatisticsContext } from './share-statistics.js';
import type { StepTask } from './work.js';

/** Everything of a stage that a step needs. */
export interface StepContext extends StatisticsContext {
  readonly stage: StageConfig;
  readonly totalSteps: number;
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
const Phase = { statistic: 0, gradients: 1, norm: 2, backup: 3, weights: 4 } as const;

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
  const operation = { tag: tagOf(task, Phase.statistic), signal: start.signal };
  const statistics = await clock.time('statistic', shareStatistics(task, reference, context, operation));
  // 5. Loss and gradient, leaf by leaf; what is final leaves for its owners meanwhile.
  const leafInputs = leafInputsOf(task, reference, statistics);
  const sums = await beginSums(task, context, start);
  const terms = await clock.time('gradient', computeLeaves(task, leafInputs, sums, context, start));
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
  const nonFinite = await findNonFinite(norm, task, { leafInputs, terms }, context);

  const { times } = clock;
  return { terms, reference, statistics, gradientNorm: norm, learningRate, nonFinite, times };
}

const tagOf = ({ stage, step }: StepTask, phase: number) => ({ stage, step, phase });

/** This worker's partial sums of the gradient, as the fixed tree over all leaves says. */
interface LocalSums {
  readonly steps: readonly LeafStep[];
  readonly nodes: readonly {
    readonly node: TreeNode;
    readonly slot: number;
    readonly values: FlatBuffer;
    readonly ready: FinalTensors;
  }[];
  /** Where the whole batch's gradient comes to lie, on the owned part. */
  readonly gradient: FlatBuffer;
  /** The nodes of all workers over the owned part. */
  readonly parts: Promise<readonly NodePart[]>;
}

/** Begins to share the sums before they are computed: each tensor leaves as soon as it is final. */
async function beginSums(
  task: StepTask,
  { policy, collective, layout }: StepContext,
  { place }: StepStart,
): Promise<LocalSums> {
  const plan = accumulationPlan(task.runs[place.rank]!, task.leafCount);
  const memories = await policy.call('reserveSlots', plan.slotCount);
  const slots = memories.map((memory) => FlatBuffer.wrap(layout, memory));
  const nodes = plan.nodes.map(({ node, slot }) => ({
    node,
    slot,
    values: slots[slot]!,
    ready: new FinalTensors(layout),
  }));
  const tag = tagOf(task, Phase.gradients);
  const parts = collective.reduceScatter(tag, layout, nodes, task.runs, task.leafCount);
  // Raised where the leaves are computed, or where the parts are awaited.
  parts.catch(() => undefined);
  return { steps: plan.steps, nodes, gradient: slots[GRADIENT_SLOT]!, parts };
}

/** Losses and gradients of this worker's leaves. Ends early where the workers cannot go on together. */
async function computeLeaves(
  task: StepTask,
  leafInputs: readonly LeafInputs[],
  { steps, nodes, parts }: LocalSums,
  { policy }: StepContext,
  { place, signal }: StepStart,
): Promise<readonly (readonly ExampleTerm[])[]> {
  const { first } = task.runs[place.rank]!;
  const terms: (readonly ExampleTerm[])[] = [];
  for (const { leaf, ...target } of steps) {
    signal.throwIfAborted();
    const ready = target.completes === null ? null : nodes[target.completes]!.ready;
    const leafTask = { ...leafInputs[leaf - first]!, ...target };
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
  { nodes, gradient, parts: nodeParts }: LocalSums,
  { policy, collective, layout }: StepContext,
  { place, parts }: StepStart,
): Promise<ReducedGradients> {
  const localSlots = new Map(nodes.map(({ node, slot }) => [node.firstLeaf, slot]));
  const ownSums = await policy.call('finishGradient', await nodeParts, localSlots, task.leafCount);
  // All wait for the norm, nobody for the backup before the commit: it comes second on every link.
  const gathered = collective.allGather(tagOf(task, Phase.norm), new Uint8Array(ownSums.buffer));
  const backedUp = collective.transfer(tagOf(task, Phase.backup), backUpGradient(place, parts, gradient));
  // Its failure is the collective's, which the operations before the one that awaits it will meet too.
  backedUp.catch(() => undefined);
  const payloads = await gathered;
  const bytes = Buffer.concat(payloads);
  if (bytes.byteLength !== (layout.size / BLOCK_SIZE) * Float64Array.BYTES_PER_ELEMENT) {
    throw new RunError(`step ${task.step}: the workers sent ${bytes.byteLength} bytes of block sums`);
  }
  return { squares: new Float64Array(Uint8Array.from(bytes).buffer), backedUp };
}

/** Each owner's reduced gradient to the second owner of its part, which moves the same moments by it. */
function backUpGradient(place: Place, { owned, backup }: HeldParts, gradient: FlatBuffer): Transfer {
  const ofPredecessor =
    backup === null
      ? []
      : bySegment(gradient.layout, backup.range).map((piece) => pieceOf(backup, backup.gradient, piece));
  return {
    facts: 'the reduced gradient, to the second owner',
    outgoing: (to) => (to === successorOf(place) ? gradient.slices(owned.range) : []),
    incoming: (from) => (from === predecessorOf(place) ? ofPredecessor : []),
  };
}
