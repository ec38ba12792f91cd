import type { StageConfig } from '../../lib/config/types.js';
import { needsOf } from '../../lib/methods/needs.js';
import type { v1 } from '../../proto/services.js';
import type { Generation } from '../cluster/generation.js';
import type { ReferenceAnswer } from '../journal/records.js';
import { leafRunStarts } from '../plan/leaf-runs.js';
import { mismatchedCompletion } from '../plan/pairing.js';
import type { BatchPlan } from '../plan/plan.js';
import type { PairedRows } from '../plan/stage-rows.js';
import type { ExpectedExample, ExpectedReports } from './batch-reports.js';

/** The rows that a batch is of, and what they are cut and computed by. */
export interface BatchRows extends PairedRows {
  readonly config: Pick<StageConfig, 'objective' | 'maxLength'>;
}

/** A batch, dealt to the members of a generation. */
export interface DealtBatch<Plan extends BatchPlan = BatchPlan> {
  readonly plan: Plan;
  /** First leaf of every rank's run, then the number of leaves. */
  readonly runStarts: readonly number[];
}

/** Of each generation, by the number of leaves: looking for the best cuts takes longer than all else of a step. */
const knownCuts = new WeakMap<Generation, Map<number, readonly number[]>>();

export function dealBatch<Plan extends BatchPlan>(plan: Plan, generation: Generation): DealtBatch<Plan> {
  const known = knownCuts.get(generation) ?? new Map<number, readonly number[]>();
  knownCuts.set(generation, known);
  const leafCount = plan.leaves.length;
  const runStarts = known.get(leafCount) ?? leafRunStarts(leafCount, generation.size);
  known.set(leafCount, runStarts);
  return { plan, runStarts };
}

/** Positions of a rank's examples, in leaf order. */
export function positionsOf({ plan, runStarts }: DealtBatch, rank: number): number[] {
  return leavesOf({ plan, runStarts }, rank).flat();
}

/** What all ranks are sent alike. */
export function commonWork({
  plan,
  runStarts,
}: DealtBatch): Pick<v1.StepWork.$Properties, 'runStarts' | 'counts'> {
  return { runStarts: [...runStarts], counts: plan.counts };
}

/** What a rank is sent of its own. `answers`: the reference's, by example, as far as they are known. */
export function leafWork(
  rows: BatchRows,
  batch: DealtBatch,
  rank: number,
  answers: ReadonlyMap<number, ReferenceAnswer>,
): Pick<v1.StepWork.$Properties, 'leaves'> {
  return {
    leaves: leavesOf(batch, rank).map((leaf) => ({
      examples: leaf.map((position) => exampleMessage(rows, batch.plan, position, answers)),
    })),
  };
}

/** What all ranks' reports must say. */
export function expectedOf(
  rows: BatchRows,
  batch: DealtBatch,
  generation: Generation,
  report: Pick<ExpectedReports, 'what' | 'stage' | 'step' | 'answers'>,
): ExpectedReports {
  const { rewards, mismatchedPairs: z0, tokenLevel: byToken } = needsOf(rows.config.objective);
  return {
    ...report,
    generation: generation.number,
    workerIds: generation.members.map(({ workerId }) => workerId),
    positions: generation.members.map((_, rank) => positionsOf(batch, rank)),
    examples: batch.plan.batch.map((index) => expectedExample(rows, index)),
    rewards,
    z0,
    byToken,
  };
}

function leavesOf({ plan, runStarts }: DealtBatch, rank: number): readonly (readonly number[])[] {
  return plan.leaves.slice(runStarts[rank], runStarts[rank + 1]);
}

function exampleMessage(
  rows: BatchRows,
  { batch }: BatchPlan,
  position: number,
  answers: ReadonlyMap<number, ReferenceAnswer>,
): v1.Example.$Properties {
  const index = batch[position]!;
  const { row, promptIds, completions, desirable, score } = rows.examples[index]!;
  return {
    position,
    row,
    promptIds: Array.from(promptIds),
    completions: completions.map((ids) => ({ ids: Array.from(ids) })),
    mismatchedCompletionIds: Array.from(mismatchedIds(rows, index) ?? []),
    desirable,
    score,
    reference: answers.get(index) ?? null,
  };
}

function expectedExample(rows: BatchRows, index: number): ExpectedExample {
  const { row, completions } = rows.examples[index]!;
  return {
    row,
    completions: completions.map(({ length }) => length),
    mismatched: mismatchedIds(rows, index)?.length ?? null,
  };
}

/** The completion that an example's prompt takes for the KL estimate, cut to fit behind it; null for none. */
function mismatchedIds({ examples, pairs, config }: BatchRows, index: number): Int32Array | null {
  const donor = pairs[index] ?? null;
  if (donor === null) return null;
  const [completionIds] = examples[donor]!.completions;
  return mismatchedCompletion(examples[index]!, { completionIds }, config.maxLength);
}
