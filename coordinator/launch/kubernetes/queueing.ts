import { conditionOf, RUN_LABEL, type Job, type Queued } from './objects.js';
import type { Queueing } from './settings.js';

/** What Kueue and Volcano want to see on Jobs and pods, and what they say of those that wait. */

const VOLCANO_GROUP = 'scheduling.volcano.sh';
const KUEUE_GROUP = 'kueue.x-k8s.io';

/** The API group that a queue's own objects are in; null where there is no queue. */
export function groupOf({ mode }: Queueing): { readonly group: string; readonly plural: string } | null {
  if (mode === 'kueue') return { group: KUEUE_GROUP, plural: 'workloads' };
  return mode === 'volcano' ? { group: VOLCANO_GROUP, plural: 'podgroups' } : null;
}

interface Additions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
}

/** A Job for Kueue begins suspended, and Kueue lets it go on. */
export function jobQueueing(queueing: Queueing): Additions {
  if (queueing.mode !== 'kueue') return {};
  return { labels: { [`${KUEUE_GROUP}/queue-name`]: queueing.queue }, spec: { suspend: true } };
}

/** Volcano schedules pods that name it, together with the others of their group. */
export function podQueueing(group: string, { mode }: Queueing): Additions {
  if (mode !== 'volcano') return {};
  return { annotations: { 'scheduling.k8s.io/group-name': group }, spec: { schedulerName: 'volcano' } };
}

/** Volcano's group of a Job's pods, which goes with the Job. */
export function makePodGroup(
  name: string,
  version: string,
  job: { readonly uid: string; readonly nodes: number; readonly runId: string },
  queue: string,
): object {
  return {
    apiVersion: `${VOLCANO_GROUP}/${version}`,
    kind: 'PodGroup',
    metadata: {
      name,
      labels: { [RUN_LABEL]: job.runId },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: job.uid }],
    },
    spec: { minMember: job.nodes, queue },
  };
}

/** Selects the queue's own object of a Job. */
export function queuedSelector({ mode }: Queueing, { metadata }: Job): string {
  if (mode === 'kueue') return `${KUEUE_GROUP}/job-uid=${metadata.uid}`;
  return `${RUN_LABEL}=${metadata.labels?.[RUN_LABEL] ?? ''}`;
}

/** Why the queue keeps a Job waiting, in its words; null where it says nothing. */
export function wordsOf({ mode }: Queueing, queued: readonly Queued[]): string | null {
  for (const { status } of queued) {
    const conditions = status?.conditions;
    const said =
      mode === 'kueue'
        ? (conditionOf(conditions, 'QuotaReserved', 'False') ?? conditionOf(conditions, 'Evicted'))
        : conditionOf(conditions, 'Unschedulable');
    if (said?.message) return said.message;
  }
  return null;
}
