import { untilAborted } from '../../lib/abort.js';
import type { ExampleTerm } from '../compute/policy-engine.js';
import type { BatchStatistics } from '../losses/objective.js';
import { leafInputsOf, type LeafAnswers } from './leaf-inputs.js';
import { shareStatistics, type StatisticsContext } from './share-statistics.js';
import type { BatchTask } from './work.js';

/** Where among a generation's operations: behind all of the step that it follows, and the state's movements before it. */
const EVALUATION_PHASE = 0x10000;

/** What this worker reports of its leaves of the held-out rows. */
export interface EvaluationOutcome {
  /** Per leaf, in leaf order. */
  readonly terms: readonly (readonly ExampleTerm[])[];
  readonly statistics: BatchStatistics;
}

/**
 * Judges held-out rows by the current weights: the statistics and the losses of a step, and nothing of a gradient.
 *
 * @throws CollectiveError where the workers cannot go on together, or the signal's reason
 */
export async function evaluateRows(
  task: BatchTask,
  answers: Promise<LeafAnswers> | null,
  context: StatisticsContext,
  signal: AbortSignal,
): Promise<EvaluationOutcome> {
  const reference = answers && (await untilAborted(answers, signal));
  const tag = { stage: task.stage, step: task.step, phase: EVALUATION_PHASE };
  const statistics = await shareStatistics(task, reference, context, { tag, signal });
  const terms: (readonly ExampleTerm[])[] = [];
  for (const inputs of leafInputsOf(task, reference, statistics)) {
    signal.throwIfAborted();
    terms.push(await context.policy.call('leafTerms', inputs));
  }
  return { terms, statistics };
}
