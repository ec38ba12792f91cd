import { needsOf } from '../../lib/methods/needs.js';
import type { StepPlan } from '../plan/plan.js';
import type { Unit } from '../plan/unit.js';
import { metricsRow, type MetricsRow } from './metrics-row.js';
import type { PreparedStage } from './prepare.js';
import type { StepResult } from './step-reports.js';

/** The line of metrics.jsonl of one step. */
export function stepRow(
  stage: PreparedStage,
  plan: StepPlan,
  result: StepResult,
  { tokens, stepTimeS }: { readonly tokens: number; readonly stepTimeS: number },
): MetricsRow {
  const totals = {
    step: plan.step,
    stage: stage.number,
    method: stage.config.objective.method,
    epoch: plan.step / stage.planner.stepsPerEpoch,
    kl: result.z0,
    kl_unclamped: result.klUnclamped,
    grad_norm: result.gradNorm,
    learning_rate: result.learningRate,
    num_tokens: tokens,
    step_time_s: stepTimeS,
  };
  const examples = result.examples.map(({ loss, logps, rewards }, position) => {
    const unit = stage.examples[plan.batch[position]!]!;
    const completions = logps.map((logp, i) => ({
      chosen: isChosen(stage, unit, i),
      logp,
      reward: rewards?.[i] ?? null,
    }));
    return { loss, completions };
  });
  return metricsRow(totals, examples);
}

/** Which of the two classes a completion counts to in the metrics. */
function isChosen({ config }: PreparedStage, { desirable, score }: Unit, completion: number): boolean {
  const { objective } = config;
  const needs = needsOf(objective);
  if (needs.rows === 'paired') return completion === 0;
  if (objective.method === 'kto' && objective.scoreScale !== null) {
    return score !== null && score > objective.scoreScale.neutral;
  }
  return !needs.labels || desirable === true;
}
