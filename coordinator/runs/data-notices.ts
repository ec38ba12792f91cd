import type { StageConfig } from '../../lib/config/types.js';
import type { DataReport } from '../data/load.js';
import type { ClassWeights } from '../../lib/methods/config.js';
import { needsOf } from '../../lib/methods/needs.js';
import { RECOMMENDED_RATIO, requireResolved, weightedRatio } from '../../lib/methods/weights.js';

export interface DataNotice {
  readonly text: string;
  readonly warning: boolean;
}

/** What the user should know of a stage's data. */
export function dataNotices(report: DataReport, stage: StageConfig, number: number): DataNotice[] {
  const prefix = `stage ${number} (${stage.objective.method})`;
  const notices = [{ text: `${prefix}: ${summary(report, stage)}`, warning: false }];
  for (const [reason, count] of report.skipped) {
    notices.push({ text: `${prefix}: ${rows(count)} skipped: ${reason}`, warning: true });
  }
  if (report.promptsCut > 0) {
    notices.push({
      text: `${prefix}: ${report.promptsCut} prompts lost their beginning to max_prompt_length ${stage.maxPromptLength}`,
      warning: false,
    });
  }
  if (report.completionsCut > 0) {
    notices.push({
      text: `${prefix}: ${report.completionsCut} completions lost their end to max_length ${stage.maxLength}`,
      warning: false,
    });
  }
  const objective = requireResolved(stage.objective);
  const imbalance = 'desirableWeight' in objective ? classImbalance(report, objective) : null;
  if (imbalance !== null) notices.push({ text: `${prefix}: ${imbalance}`, warning: true });
  return notices;
}

function summary(report: DataReport, stage: StageConfig): string {
  const { used, desirable, undesirable, leftOut } = report;
  const parts = [`${used} of ${rows(report.rows)} used from ${stage.data.train}`];
  if (needsOf(stage.objective).labels) parts.push(`${desirable} desirable, ${undesirable} undesirable`);
  if (leftOut > 0) parts.push(`${leftOut} left out that ${stage.objective.method} has no use for`);
  return parts.join('; ');
}

/** Null where the weighted classes balance as recommended. */
function classImbalance(report: DataReport, weights: ClassWeights<number>): string | null {
  const { desirable, undesirable } = report;
  if (desirable === 0 || undesirable === 0) {
    return `no ${desirable === 0 ? 'desirable' : 'undesirable'} rows: the model only learns from one side`;
  }
  const { desirableWeight, undesirableWeight } = weights;
  const ratio = weightedRatio(weights, desirable, undesirable);
  // A weight from `auto` may lie on a bound, give or take a rounding error.
  if (ratio > RECOMMENDED_RATIO.low - 1e-9 && ratio < RECOMMENDED_RATIO.high + 1e-9) return null;
  return (
    `desirable_weight ${desirableWeight} × ${desirable} rows over undesirable_weight ${undesirableWeight} × ` +
    `${undesirable} rows is ${ratio.toFixed(2)}; the KTO paper recommends 1 to 1.33`
  );
}

const rows = (count: number) => (count === 1 ? '1 row' : `${count} rows`);
