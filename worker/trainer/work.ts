import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { Sequence } from '../model/language-model.js';
import { runsOf, type LeafRun } from '../reduction/tree.js';

/** One example of this worker's leaves, ready to compute. */
export interface TrainingExample {
  /** Position in the step's global batch. */
  readonly position: number;
  /** Row of the data set, for messages to people. */
  readonly row: number;
  readonly own: Sequence;
  /** The prompt with the completion of another row; null where the row has no usable pair. */
  readonly mismatched: Sequence | null;
  readonly desirable: boolean | null;
  /** The reference's answers, where the coordinator has them from epoch 0. */
  readonly referenceLogp: number | null;
  readonly mismatchedReferenceLogp: number | null;
}

export type Leaf = readonly TrainingExample[];

/** A step's work as this worker got it: its run of leaves, and what it must know of the whole. */
export interface StepTask {
  readonly stage: number;
  readonly step: number;
  /** Leaves of each rank, by rank. */
  readonly runs: readonly LeafRun[];
  readonly leafCount: number;
  readonly leaves: readonly Leaf[];
  readonly counts: {
    readonly examples: number;
    readonly mismatchedPairs: number;
    readonly completionTokens: number;
  };
}

/** Who asks: what a StepWork must fit. */
export interface Expected {
  readonly stage: number;
  readonly generation: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly vocabSize: number;
}

/** Reads a StepWork from the wire. @throws RunError where it does not fit this worker or contradicts itself */
export function readStepWork(work: v1.StepWork, expected: Expected): StepTask {
  const refuse = (reason: string): never => {
    throw new RunError(`coordinator sent work for stage ${work.stage} step ${work.step} that ${reason}`);
  };
  if (work.stage !== expected.stage) refuse(`belongs to another stage than ${expected.stage}`);
  if (work.generation !== expected.generation)
    refuse(`belongs to generation ${work.generation}, not ${expected.generation}`);
  if (work.runStarts.length !== expected.worldSize + 1)
    refuse(`is cut for ${work.runStarts.length - 1} workers`);
  if (work.runStarts[0] !== 0 || work.runStarts.some((start, i) => i > 0 && start < work.runStarts[i - 1]!)) {
    refuse(`has leaf runs out of order: ${work.runStarts.join(', ')}`);
  }
  const runs = runsOf(work.runStarts);
  if (work.leaves.length !== runs[expected.rank]!.count)
    refuse(`has ${work.leaves.length} leaves for rank ${expected.rank}`);
  const { counts } = work;
  if (counts === null || counts === undefined || counts.examples === undefined)
    return refuse('has no counts');
  const leaves = work.leaves.map((leaf) =>
    (leaf.examples ?? []).map((example) => readExample(example, expected, refuse)),
  );
  if (leaves.some((leaf) => leaf.length === 0)) refuse('has an empty leaf');
  return {
    stage: work.stage,
    step: work.step,
    runs,
    leafCount: work.runStarts.at(-1)!,
    leaves,
    counts: {
      examples: counts.examples ?? 0,
      mismatchedPairs: counts.mismatchedPairs ?? 0,
      completionTokens: counts.completionTokens ?? 0,
    },
  };
}

function readExample(
  example: v1.Example.$Properties,
  { vocabSize }: Expected,
  refuse: (reason: string) => never,
): TrainingExample {
  const row = example.row ?? 0;
  const sequence = (prompt: readonly number[], completion: readonly number[]): Sequence => {
    const ids = Int32Array.from([...prompt, ...completion]);
    if (prompt.length === 0 || completion.length === 0)
      refuse(`has an empty prompt or completion in row ${row}`);
    const stranger = ids.find((id) => id < 0 || id >= vocabSize);
    if (stranger !== undefined)
      refuse(`has token id ${stranger} in row ${row}, outside the vocabulary of ${vocabSize}`);
    return { ids, completionStart: prompt.length };
  };
  const prompt = example.promptIds ?? [];
  const mismatched = example.mismatchedCompletionIds ?? [];
  return {
    position: example.position ?? 0,
    row,
    own: sequence(prompt, example.completionIds ?? []),
    mismatched: mismatched.length === 0 ? null : sequence(prompt, mismatched),
    desirable: example.desirable ?? null,
    referenceLogp: example.referenceLogp ?? null,
    mismatchedReferenceLogp: example.mismatchedReferenceLogp ?? null,
  };
}

/** The leaf's mismatched pairs, as the policy and the reference both compute them: together, in leaf order. */
export function mismatchedSequences(leaf: Leaf): Sequence[] {
  return leaf.flatMap(({ mismatched }) => (mismatched === null ? [] : [mismatched]));
}
