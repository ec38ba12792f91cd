import type { v1 } from '../../proto/services.js';
import { answerMessage } from '../reference/answer.js';
import type { StepOutcome } from './step.js';
import type { StepTask } from './work.js';

/** What this worker tells the coordinator of a step. */
export function reportOf(
  task: StepTask,
  outcome: StepOutcome,
  generation: number,
): v1.StepReport.$Properties {
  const examples = task.leaves.flatMap((leaf, i) =>
    leaf.map(({ position }, j) => {
      const { loss, logps, rewards } = outcome.terms[i]![j]!;
      const answer = outcome.reference?.[i]?.[j];
      return {
        position,
        loss,
        logps: [...logps],
        rewards: rewards.filter((reward) => reward !== null),
        reference: answer === undefined ? null : answerMessage(answer),
      };
    }),
  );
  const { times, nonFinite } = outcome;
  return {
    stage: task.stage,
    step: task.step,
    generation,
    examples,
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
