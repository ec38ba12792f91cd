import type { DataReport } from '../../coordinator/data/load.js';
import type { Output } from './output/terminal.js';

interface Limits {
  readonly maxLength: number;
  readonly maxPromptLength: number;
}

/** Warns of a file's rows that were skipped, and of those that were cut. */
export function warnOfRows(file: string, report: DataReport, limits: Limits, output: Output): void {
  const { maxLength, maxPromptLength } = limits;
  const warn = (text: string) => output.line(`${output.style.yellow('warning:')} ${file}: ${text}`);
  for (const [reason, count] of report.skipped) warn(`rows skipped: ${count}: ${reason}`);
  if (report.promptsCut > 0) {
    warn(`prompts that lost their beginning to ${maxPromptLength} tokens: ${report.promptsCut}`);
  }
  if (report.completionsCut > 0) {
    warn(`completions that lost their end to ${maxLength} tokens: ${report.completionsCut}`);
  }
}
