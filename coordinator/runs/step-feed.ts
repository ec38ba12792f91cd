import type { v1 } from '../../proto/services.js';
import type { Generation } from '../cluster/generation.js';
import { mismatchedCompletion } from '../plan/pairing.js';
import type { StepPlan } from '../plan/plan.js';
import { leafRunStarts } from '../plan/leaf-runs.js';
import type { ReferenceAnswer } from '../journal/records.js';
import { needsOf } from '../../lib/methods/needs.js';
import type { PreparedStage } from './prepare.js';

/** A step whose work is with the workers. */
export interface StepUnderWay {
  readonly plan: StepPlan;
  /** First leaf of every rank's run, then the number of leaves. */
  readonly runStarts: readonly number[];
}

/** Sends the work of a stage's steps to one generation, a little ahead of what is committed. */
export class StepFeed {
  readonly #stage: PreparedStage;
  readonly #generation: Generation;
  /** The reference's answers so far, by example. */
  readonly #answers: ReadonlyMap<number, ReferenceAnswer>;
  readonly #underWay: StepUnderWay[] = [];
  #sent: number;

  /** `step`: the one whose state the generation starts from. */
  constructor(
    stage: PreparedStage,
    generation: Generation,
    step: number,
    answers: ReadonlyMap<number, ReferenceAnswer>,
  ) {
    this.#stage = stage;
    this.#generation = generation;
    this.#sent = step;
    this.#answers = answers;
  }

  /**
   * Sends all work up to this step that may be sent. After epoch 0 a step goes with the answers that its examples got
   * there, so the look-ahead holds at an epoch's edge until they are in.
   */
  sendThrough(lastStep: number): void {
    const { size } = this.#generation;
    while (this.#sent < Math.min(lastStep, this.#stage.planner.totalSteps)) {
      const plan = this.#stage.planner.plan(this.#sent + 1);
      if (!this.#mayGo(plan)) return;
      const step = { plan, runStarts: leafRunStarts(plan.leaves.length, size) };
      for (let rank = 0; rank < size; rank++)
        this.#generation.send(rank, { stepWork: this.#workOf(step, rank) });
      this.#underWay.push(step);
      this.#sent += 1;
    }
  }

  /** The oldest step under way, which is the one that the workers report next. */
  takeOldest(): StepUnderWay {
    const step = this.#underWay.shift();
    if (step === undefined) throw new Error(`no step is under way after step ${this.#sent}`);
    return step;
  }

  #mayGo(plan: StepPlan): boolean {
    if (!needsOf(this.#stage.config.objective).reference || plan.epoch === 0) return true;
    return plan.batch.every((example) => this.#answers.has(example));
  }

  #workOf({ plan, runStarts }: StepUnderWay, rank: number): v1.StepWork.$Properties {
    return {
      stage: this.#stage.number,
      step: plan.step,
      generation: this.#generation.number,
      runStarts: [...runStarts],
      leaves: plan.leaves
        .slice(runStarts[rank], runStarts[rank + 1])
        .map((leaf) => ({ examples: leaf.map((position) => this.#example(plan, position)) })),
      counts: plan.counts,
    };
  }

  #example(plan: StepPlan, position: number): v1.Example.$Properties {
    const index = plan.batch[position]!;
    const { row, promptIds, completions, desirable, score } = this.#stage.examples[index]!;
    const donor = this.#stage.pairs[index] ?? null;
    return {
      position,
      row,
      promptIds: Array.from(promptIds),
      completions: completions.map((ids) => ({ ids: Array.from(ids) })),
      mismatchedCompletionIds: donor === null ? [] : Array.from(mismatchedIds(this.#stage, index, donor)),
      desirable,
      score,
      // In epoch 0 there is one where the step is computed once more.
      reference: this.#answers.get(index) ?? null,
    };
  }
}

/** The completion of `donor` behind the prompt of `index`. */
export function mismatchedIds(
  { examples, config }: Pick<PreparedStage, 'examples' | 'config'>,
  index: number,
  donor: number,
): Int32Array {
  const [completionIds] = examples[donor]!.completions;
  return mismatchedCompletion(examples[index]!, { completionIds }, config.maxLength);
}
