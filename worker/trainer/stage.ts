import { isDeepStrictEqual } from 'node:util';
import { parseRunFile } from '../../lib/config/load.js';
import { referenceModelOf } from '../../lib/config/reference-model.js';
import type { StageConfig } from '../../lib/config/types.js';
import { RunError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';
import { requireResolved } from '../../lib/methods/weights.js';
import type { v1 } from '../../proto/services.js';
import type { Collective } from '../collective/collective.js';
import type { PolicyThread } from '../compute/policy-engine.js';
import { objectiveOf } from '../losses/methods.js';
import { describeModel } from '../model/description.js';
import { FlatBuffer } from '../parameters/flat-buffer.js';
import { ReferenceClient, type ReferenceObserver } from '../reference/client.js';
import { StageState } from './state/stage-state.js';
import type { LeafAnswers } from './leaf-inputs.js';
import type { StepContext } from './step.js';
import type { Leaf, StageFacts } from './work.js';

/** A stage that is open on this worker: its policy, and what is held of its training. */
export class OpenStage {
  private constructor(
    private readonly start: v1.StageStart,
    readonly facts: StageFacts,
    readonly context: StepContext,
    readonly state: StageState,
    private readonly observer: ReferenceObserver,
    private reference: ReferenceClient | null,
  ) {}

  /** Opens the stage's model on the compute thread, in place of the one before. */
  static async open(
    start: v1.StageStart,
    policy: PolicyThread,
    collective: Collective,
    observer: ReferenceObserver,
  ): Promise<OpenStage> {
    const stage = configOf(start);
    const needs = needsOf(stage.objective);
    if (needs.reference) observer.wanted(start.stage, referenceModelOf(stage));
    const { vocabSize } = describeModel(stage.model).config;
    await policy.open({ stage });
    const { layout, weights } = await policy.call('opened');
    const buffers = [FlatBuffer.wrap(layout, weights[0]), FlatBuffer.wrap(layout, weights[1])] as const;
    const context: StepContext = {
      stage,
      totalSteps: start.totalSteps,
      objective: objectiveOf(requireResolved(stage.objective)),
      policy,
      collective,
      layout,
      weights: buffers,
    };
    const facts = { stage: start.stage, vocabSize, needs };
    const state = new StageState(policy, layout, buffers);
    const reference = openReference(start, stage, observer);
    return new OpenStage(start, facts, context, state, observer, reference);
  }

  get trainableParameters(): number {
    return this.context.layout.parameterCount;
  }

  /**
   * Takes a start of the same stage again, from a coordinator that has come back: what is held stays. False where it is
   * another stage.
   */
  takeAgain(start: v1.StageStart): boolean {
    const same = (of: v1.StageStart) => [of.stage, of.runYaml, of.totalSteps];
    if (!isDeepStrictEqual(same(start), same(this.start))) return false;
    if (start.referenceSocket !== this.start.referenceSocket) {
      this.reference?.close();
      this.reference = openReference(start, configOf(start), this.observer);
    }
    return true;
  }

  /**
   * The reference's answers to leaves, asked for at once; null for a method without a reference. Rejects once the signal
   * is aborted: nothing more is asked then.
   */
  askReference(leaves: readonly Leaf[], signal: AbortSignal): Promise<LeafAnswers> | null {
    const { reference } = this;
    return reference && inOrder(leaves, (leaf) => reference.answers(leaf), signal);
  }

  close(): void {
    this.reference?.close();
  }
}

type StartedStage = StageConfig & { readonly model: string };

/** The stage's settings, and the model directory that it starts from. */
function configOf({ runYaml }: v1.StageStart): StartedStage {
  const file = 'the run file from the coordinator';
  const [stage] = parseRunFile(runYaml, file, { baseDir: '/' }).stages;
  const { model } = stage;
  if (model === null) throw new RunError(`${file} names no model`);
  return { ...stage, model };
}

function openReference(
  { referenceSocket }: v1.StageStart,
  stage: StartedStage,
  observer: ReferenceObserver,
): ReferenceClient | null {
  const { reference, tokenLevel } = needsOf(stage.objective);
  if (!reference) return null;
  if (referenceSocket === '') throw new RunError('the method needs a reference replica, and none was given');
  return new ReferenceClient(
    referenceSocket,
    { model: referenceModelOf(stage), byToken: tokenLevel, sharePrompts: stage.sharePrompts },
    observer,
  );
}

/** One leaf at a time: the replica computes one after the other anyway, and the first answers are needed first. */
async function inOrder<T, R>(
  items: readonly T[],
  ask: (item: T) => Promise<R>,
  signal: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    signal.throwIfAborted();
    results.push(await ask(item));
  }
  return results;
}
