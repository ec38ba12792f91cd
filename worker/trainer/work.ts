import { RunError } from '../../lib/errors.js';
import type { v1 } from '../../proto/services.js';
import type { MethodNeeds } from '../../lib/methods/needs.js';
import type { Place } from '../parameters/optimizer-part.js';
import { completionLength, type Sequence } from '../model/batch.js';
import { readCompletion, type ReferenceAnswer } from '../reference/answer.js';
import { runsOf, type LeafRun } from '../reduction/tree.js';

/** One example of this worker's leaves, ready to compute. */
export interface TrainingExample {
  /** Position in the step's global batch. */
  readonly position: number;
  /** Row of the data set, for messages to people. */
  readonly row: number;
  /** The prompt with its completion, or with the chosen and the rejected one. */
  readonly completions: readonly Sequence[];
  /** The prompt with the completion of another row; null where the row has no usable pair. */
  readonly mismatched: Sequence | null;
  readonly desirable: boolean | null;
  readonly score: number | null;
  /** The reference's answer, where the coordinator has it from epoch 0. */
  readonly reference: ReferenceAnswer | null;
}

export type Leaf = readonly TrainingExample[];

/** A batch as this worker got it: the leaves of its run, and what it must know of the whole. */
export interface BatchTask {
  readonly stage: number;
  /** The one to compute or, of held-out rows, the one after which they are judged. */
  readonly step: number;
  readonly leaves: readonly Leaf[];
  readonly counts: {
    readonly examples: number;
    readonly mismatchedPairs: number;
    readonly completionTokens: number;
    readonly chosenTokens: number;
  };
}

/** A step's work. */
export interface StepTask extends BatchTask {
  /** Leaves of each rank, by rank. */
  readonly runs: readonly LeafRun[];
  readonly leafCount: number;
}

/** Prompts that rank 0 continues for people to look at. */
export interface SampleTask {
  readonly stage: number;
  /** The one after which they are continued. */
  readonly step: number;
  readonly prompts: readonly Int32Array[];
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly seed: number;
}

/** What the examples of a stage must fit. */
export interface StageFacts {
  readonly stage: number;
  readonly vocabSize: number;
  /** What the stage's method takes. */
  readonly needs: MethodNeeds;
}

/** Who asks: what work must fit. */
export interface Expected extends StageFacts, Place {
  readonly generation: number;
}

/**
 * Reads a batch of leaves from the wire, to be trained on or to be judged.
 * @throws RunError where it does not fit this worker or contradicts itself
 */
export function readLeafWork(work: v1.StepWork | v1.EvaluationWork, expected: Expected): StepTask {
  const refuse = refusalOf(work, expected);
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
      chosenTokens: counts.chosenTokens ?? 0,
    },
  };
}

/** Reads a SampleWork from the wire. @throws RunError where it does not fit this worker */
export function readSampleWork(work: v1.SampleWork, expected: Expected): SampleTask {
  const refuse = refusalOf(work, expected);
  const { stage, step, maxNewTokens, temperature, seed } = work;
  const prompts = work.prompts.map(({ ids }) => Int32Array.from(ids ?? []));
  if (prompts.length === 0 || prompts.some(({ length }) => length === 0)) refuse('has no or an empty prompt');
  const stranger = prompts.flatMap((ids) => [...ids]).find((id) => id < 0 || id >= expected.vocabSize);
  if (stranger !== undefined)
    refuse(`has token id ${stranger} in a prompt, outside the vocabulary of ${expected.vocabSize}`);
  if (maxNewTokens === 0) refuse('wants no new token');
  if (!(temperature >= 0)) refuse(`has a temperature of ${temperature}`);
  return { stage, step, prompts, maxNewTokens, temperature, seed };
}

/** Throws what is wrong with work, in the coordinator's name. @throws RunError at once for work that is not of now */
function refusalOf(
  { stage, step, generation }: Pick<v1.StepWork, 'stage' | 'step' | 'generation'>,
  expected: Expected,
): (reason: string) => never {
  const refuse = (reason: string): never => {
    throw new RunError(`coordinator sent work for stage ${stage} step ${step} that ${reason}`);
  };
  if (stage !== expected.stage) refuse(`belongs to another stage than ${expected.stage}`);
  if (generation !== expected.generation)
    refuse(`belongs to generation ${generation}, not ${expected.generation}`);
  return refuse;
}

function readExample(
  example: v1.Example.$Properties,
  { vocabSize, needs }: Expected,
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
  const completions = (example.completions ?? []).map(({ ids }) => sequence(prompt, ids ?? []));
  const due = needs.rows === 'paired' ? 2 : 1;
  if (completions.length !== due)
    refuse(`has ${completions.length} completions in row ${row} instead of ${due}`);
  const other = example.mismatchedCompletionIds ?? [];
  const mismatched = other.length === 0 ? null : sequence(prompt, other);
  return {
    position: example.position ?? 0,
    row,
    completions,
    mismatched,
    desirable: example.desirable ?? null,
    score: example.score ?? null,
    reference: readReference(example.reference, { completions, mismatched }, needs.tokenLevel),
  };
}

/** The reference's answer as the coordinator kept it. */
function readReference(
  message: v1.ReferenceAnswer.$Properties | null | undefined,
  { completions, mismatched }: Pick<TrainingExample, 'completions' | 'mismatched'>,
  byToken: boolean,
): ReferenceAnswer | null {
  if (message === null || message === undefined) return null;
  const read = (sequence: Sequence, answer: v1.CompletionLogps.$Properties | null | undefined) =>
    readCompletion(answer, byToken ? completionLength(sequence) : null, 'the coordinator');
  return {
    completions: completions.map((sequence, i) => read(sequence, message.completions?.[i])),
    mismatched: mismatched === null ? null : read(mismatched, message.mismatched),
  };
}

/** The leaf's completions, as the policy and the reference both compute them: together, in leaf order. */
export function ownSequences(leaf: Leaf): Sequence[] {
  return leaf.flatMap(({ completions }) => completions);
}

/** The leaf's mismatched pairs, likewise. */
export function mismatchedSequences(leaf: Leaf): Sequence[] {
  return leaf.flatMap(({ mismatched }) => (mismatched === null ? [] : [mismatched]));
}
