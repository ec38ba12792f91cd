import type { StageConfig } from '../../lib/config/types.js';
import type { DataReport } from '../data/load.js';
import { needsOf } from '../../lib/methods/needs.js';

export interface DataNotice {
  readonly text: string;
  readonly warning: boolean;
}

/** What the user should know of the rows that a stage is trained on, or judged by. */
export function dataNotices(
  report: DataReport,
  stage: StageConfig,
  number: number,
  use: 'train' | 'eval' = 'train',
): DataNotice[] {
  const prefix = `stage ${number} (${stage.objective.method})${use === 'eval' ? ', held-out rows' : ''}`;
  const notices = [{ text: `${prefix}: ${summary(report, stage, stage.data[use] ?? '')}`, warning: false }];
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
  return notices;
}

function summary(report: DataReport, stage: StageConfig, file: string): string {
  const { used, desirable, undesirable, leftOut } = report;
  const parts = [`${used} of ${rows(report.rows)} used from ${file}`];
  if (needsOf(stage.objective).labels) parts.push(`${desirable} desirable, ${undesirable} undesirable`);
  if (leftOut > 0) parts.push(`${leftOut} left out that ${stage.objective.method} has no use for`);
  return parts.join('; ');
}

const rows = (count: number) => (count === 1 ? '1 row' : `${count} rows`);
