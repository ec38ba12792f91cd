import { RunError } from '../../../lib/errors.js';
import type { OwnedCopy, PolicyThread, WeightsIndex } from '../../compute/policy-engine.js';
import type { FlatBuffer } from '../../parameters/flat-buffer.js';
import type { ParameterLayout, Range } from '../../parameters/layout.js';
import { emptyParts, memoryOf, type HeldParts, type Place } from '../../parameters/optimizer-part.js';

/** Weights and optimizer of one committed step. */
export interface CommittedState {
  /** 0 before the first. */
  readonly step: number;
  /** Steps up to it that changed the weights. */
  readonly updates: number;
  readonly place: Place;
  readonly weights: WeightsIndex;
  readonly parts: HeldParts;
}

export type StateTarget = Pick<CommittedState, 'step' | 'updates' | 'place'>;

/**
 * What this worker holds of a stage's training: the state of one committed step. A generation's state is drafted beside
 * it, and replaces it once the generation has work: until then, whatever goes wrong, nothing of the old one is lost.
 */
export class StageState {
  private held: CommittedState | null = null;
  private draft: CommittedState | null = null;
  /** Computed and reported, not committed. */
  private proposed: number | null = null;
  /** The buffer where the stage's starting weights still are. */
  private startIn: WeightsIndex | null = 0;

  constructor(
    private readonly policy: PolicyThread,
    readonly layout: ParameterLayout,
    private readonly buffers: readonly [FlatBuffer, FlatBuffer],
  ) {}

  get committed(): CommittedState | null {
    return this.held;
  }

  /** The step that waits for its commit; null for none. */
  get proposedStep(): number | null {
    return this.proposed;
  }

  /** What is held, which the coordinator says is what a generation needs. @throws RunError where it is another step */
  heldAt({ step }: StateTarget): CommittedState {
    if (this.held?.step === step) return this.held;
    throw new RunError(
      `the coordinator believes that this worker holds step ${step}; it holds ${this.held?.step ?? 'none'}`,
    );
  }

  buffer(index: WeightsIndex): FlatBuffer {
    return this.buffers[index];
  }

  /** Goes on with the weights that are held, and `parts` of a perhaps other place. */
  keepWeights(target: StateTarget, parts: HeldParts): void {
    this.draft = { ...this.heldAt(target), ...target, parts };
  }

  /** The stage's starting weights, and an optimizer that has seen nothing. */
  async restart(target: StateTarget): Promise<void> {
    if (this.startIn === null) {
      const spare = this.spare();
      await this.policy.call('loadInitial', spare);
      this.startIn = spare;
    }
    this.draft = { ...target, weights: this.startIn, parts: emptyParts(this.layout, target.place) };
  }

  /** Empty parts, and weights that `fill` is to write. Only once it has resolved is there a draft. */
  async fillNew(
    target: StateTarget,
    fill: (weights: FlatBuffer, parts: HeldParts) => Promise<void>,
  ): Promise<void> {
    this.draft = null;
    const weights = this.spare();
    const parts = emptyParts(this.layout, target.place);
    await fill(this.buffers[weights], parts);
    this.draft = { ...target, weights, parts };
  }

  /** The generation has work: what was drafted for it is what this worker holds from now on. */
  async adopt(): Promise<void> {
    if (this.draft === null) return;
    this.held = this.draft;
    this.draft = null;
    this.proposed = null;
    await this.policy.call('takeState', this.held);
  }

  /**
   * What a generation that may have had no work yet is to read and not to change: what was arranged for it, or else what is
   * held.
   */
  get arranged(): Pick<CommittedState, 'step' | 'weights'> {
    return this.draft ?? this.current();
  }

  /** The state to compute the next step from. */
  current(): CommittedState {
    if (this.held === null)
      throw new Error('a step was to be computed before there was a state to start from');
    return this.held;
  }

  /** The generation that the draft was for is over. */
  dropDraft(): void {
    this.draft = null;
  }

  /** A step is about to be computed, in the buffer that is not current. */
  beginStep(): void {
    this.proposed = null;
    this.spare();
  }

  /** The step is computed and reported. */
  propose(step: number): void {
    this.proposed = step;
  }

  /** The step that waits is committed. @throws RunError where it is another one */
  async commit({ step, skipped }: { readonly step: number; readonly skipped: boolean }): Promise<void> {
    if (this.held === null || this.proposed !== step)
      throw new RunError(`the coordinator committed step ${step}, which this worker has not reported`);
    const weights = skipped ? this.held.weights : await this.policy.call('commit');
    this.held = { ...this.held, step, weights, updates: this.held.updates + (skipped ? 0 : 1) };
    this.proposed = null;
  }

  /** A copy of the owned part, to write a checkpoint from while training goes on. */
  async copyOwned(): Promise<{ readonly range: Range; readonly copy: OwnedCopy }> {
    const { range } = this.current().parts.owned;
    const copy = { weights: memoryOf(range), mean: memoryOf(range), variance: memoryOf(range) };
    await this.policy.call('copyOwned', copy);
    return { range, copy };
  }

  /** The buffer that nothing held lies in. What it holds is about to be overwritten. */
  private spare(): WeightsIndex {
    const spare = this.held?.weights === 1 ? 0 : 1;
    if (this.startIn === spare) this.startIn = null;
    return spare;
  }
}
