import { v1 } from '../../../proto/services.js';
import { formatBytes, formatDuration } from '../output/numbers.js';

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
