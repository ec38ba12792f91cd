import { afterStep, evaluationText } from '../../../coordinator/page/view/evaluation-text.js';
import { v1 } from '../../../proto/services.js';
import { formatBytes, formatDuration } from '../output/numbers.js';
import { beginningOf, endOf, printable } from '../output/printable.js';
import { parseStepRow } from '../progress/step-metrics.js';

/** What a change of workers means to a reader; nothing for the first ones, which are as asked. */
export function describeMembership(change: v1.MembershipChanged.$Properties): {
  readonly text: string;
  readonly warning: boolean;
} {
  const { generation, workers, joined, lost, step } = v1.MembershipChanged.create(change);
  const names = (changes: readonly v1.WorkerChange.$Properties[]) =>
    changes
      .map(({ workerId, reason }) => (reason ? `${workerId ?? ''} (${reason})` : (workerId ?? '')))
      .join(', ');
  const news = [
    ...(lost.length > 0 ? [`lost ${names(lost)}`] : []),
    ...(joined.length > 0 ? [`${names(joined)} joined`] : []),
  ];
  if (news.length === 0 || (generation === 1 && lost.length === 0)) return { text: '', warning: false };
  const count = workers.length === 1 ? '1 worker goes' : `${workers.length} workers go`;
  return { text: `${news.join('; ')}: ${count} on after step ${step}`, warning: lost.length > 0 };
}

export function describeCheckpoint(checkpoint: v1.CheckpointWritten.$Properties): string {
  const { step, bytes, durationMs } = v1.CheckpointWritten.create(checkpoint);
  return `checkpoint of step ${step} (${formatBytes(bytes)}, ${formatDuration(durationMs)})`;
}

/** @throws RunError where it cannot be read. */
export function describeEvaluation(evaluated: v1.Evaluated.$Properties): string {
  const { step, metricsJson } = v1.Evaluated.create(evaluated);
  return `held-out rows ${afterStep(step)}: ${evaluationText(parseStepRow(metricsJson))}`;
}

/** A block of lines that every terminal holds: the end of each prompt, and how the policy went on. */
export function describeSamples(sampled: v1.CompletionsSampled.$Properties): string {
  const { step, completions } = v1.CompletionsSampled.create(sampled);
  const width = LINE_LENGTH - '  > '.length;
  const pairs = completions.map((sample) => {
    const { prompt, completion, cut } = v1.SampledCompletion.create(sample);
    const text = `${printable(completion)}${cut ? ' …' : ''}`;
    return [`  ${endOf(printable(prompt), width)}`, `  > ${beginningOf(text, width)}`];
  });
  return [`samples ${afterStep(step)}:`, ...pairs.flat()].join('\n');
}

const LINE_LENGTH = 80;
