import type { StageConfig } from '../../lib/config/types.js';
import { needsOf } from '../../lib/methods/needs.js';
import type { BatchPlan } from '../plan/plan.js';
import type { Unit } from '../plan/unit.js';
import type { ReportedExample } from './batch-reports.js';
import type { ExampleResult } from './class-means.js';
import type { BatchRows } from './leaf-work.js';

/** What the workers said of a batch, by position, with what is known of its rows. */
export function exampleResults(
  { examples, config }: BatchRows,
  { batch }: BatchPlan,
  reported: readonly ReportedExample[],
): ExampleResult[] {
  return reported.map(({ loss, logps, rewards }, position) => {
    const unit = examples[batch[position]!]!;
    const completions = logps.map((logp, i) => ({
      chosen: isChosen(config, unit, i),
      tokens: unit.completions[i]!.length,
      logp,
      reward: rewards?.[i] ?? null,
    }));
    return { loss, completions };
  });
}

/** Which of the two classes a completion counts to in the metrics. */
function isChosen(
  { objective }: Pick<StageConfig, 'objective'>,
  { desirable, score }: Unit,
  completion: number,
): boolean {
  const needs = needsOf(objective);
  if (needs.rows === 'paired') return completion === 0;
  if (objective.method === 'kto' && objective.scoreScale !== null) {
    return score !== null && score > objective.scoreScale.neutral;
  }
  return !needs.labels || desirable === true;
}
