import { needsOf } from '../../lib/methods/needs.js';
import { recorded } from '../../lib/profile/recorder.js';
import { v1 } from '../../proto/services.js';
import type { Generation } from '../cluster/generation.js';
import type { ReferenceAnswer } from '../journal/records.js';
import type { StepPlan } from '../plan/plan.js';
import { commonWork, dealBatch, leafWork, type DealtBatch } from './leaf-work.js';
import type { PreparedStage } from './prepare.js';

/** A step whose work is with the workers. */
export type StepUnderWay = DealtBatch<StepPlan>;

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
    while (this.#sent < Math.min(lastStep, this.#stage.planner.totalSteps)) {
      const plan = recorded('plan', () => this.#stage.planner.plan(this.#sent + 1));
      if (!this.#mayGo(plan)) return;
      const step = dealBatch(plan, this.#generation);
      recorded('send', () => this.#send(step));
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

  /** To every rank its own leaves. */
  #send(step: StepUnderWay): void {
    const { number: generation, size } = this.#generation;
    const id = { stage: this.#stage.number, step: step.plan.step, generation };
    // Encoded once: it grows with the ranks, and so would the time for all of them with their square.
    const $unknowns = [v1.StepWork.encode({ ...id, ...commonWork(step) }).finish()];
    for (let rank = 0; rank < size; rank++) {
      const work = leafWork(this.#stage, step, rank, this.#answers);
      this.#generation.send(rank, { stepWork: { ...work, $unknowns } });
    }
  }

  #mayGo(plan: StepPlan): boolean {
    if (!needsOf(this.#stage.config.objective).reference || plan.epoch === 0) return true;
    return plan.batch.every((example) => this.#answers.has(example));
  }
}
