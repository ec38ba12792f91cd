import type { StepPlan } from '../plan/plan.js';
import { exampleResults } from './example-results.js';
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
  return metricsRow(totals, exampleResults(stage, plan, result.examples));
}
