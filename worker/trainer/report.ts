import type { v1 } from '../../proto/services.js';
import type { ExampleTerm } from '../compute/policy-engine.js';
import { answerMessage } from '../reference/answer.js';
import type { EvaluationOutcome } from './evaluation.js';
import type { LeafAnswers } from './leaf-inputs.js';
import type { StepOutcome } from './step.js';
import type { BatchTask, StepTask } from './work.js';

/** What this worker tells the coordinator of a step. */
export function reportOf(
  task: StepTask,
  outcome: StepOutcome,
  generation: number,
): v1.StepReport.$Properties {
  const { times, nonFinite } = outcome;
  return {
    stage: task.stage,
    step: task.step,
    generation,
    examples: exampleReports(task, outcome.terms, outcome.reference),
    z0: outcome.statistics.z0 ?? null,
    klUnclamped: outcome.statistics.klUnclamped ?? null,
    gradNorm: outcome.gradientNorm,
    learningRate: outcome.learningRate,
    nonFinite: nonFinite && { parameter: nonFinite.parameter ?? '', rows: [...nonFinite.rows] },
    times: {
      referenceMs: times.reference,
      statisticsMs: times.statistic,
      gradientMs: times.gradient,
      allReduceMs: times.allReduce,
      updateMs: times.update,
    },
  };
}

/** What this worker tells the coordinator of held-out rows. */
export function evaluationReportOf(
  task: BatchTask,
  { terms, statistics }: EvaluationOutcome,
  generation: number,
): v1.EvaluationReport.$Properties {
  return {
    stage: task.stage,
    step: task.step,
    generation,
    // The reference's answers stay here: the coordinator keeps those of the training rows alone.
    examples: exampleReports(task, terms, null),
    z0: statistics.z0 ?? null,
    klUnclamped: statistics.klUnclamped ?? null,
  };
}

function exampleReports(
  { leaves }: BatchTask,
  terms: readonly (readonly ExampleTerm[])[],
  reference: LeafAnswers | null,
): v1.ExampleReport.$Properties[] {
  return leaves.flatMap((leaf, i) =>
    leaf.map(({ position }, j) => {
      const { loss, logps, rewards } = terms[i]![j]!;
      const answer = reference?.[i]?.[j];
      return {
        position,
        loss,
        logps: [...logps],
        rewards: rewards.filter((reward) => reward !== null),
        reference: answer === undefined ? null : answerMessage(answer),
      };
    }),
  );
}
