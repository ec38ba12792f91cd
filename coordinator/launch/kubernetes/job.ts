import { ExitCode } from '../../../lib/errors.js';
import type { RunSpec } from '../launcher.js';
import { RUN_LABEL, type Job, type OwnerReference } from './objects.js';
import { nodesFor, replicaGpus, type NodeGpus } from './places.js';
import { REPLICA, SUPERVISOR, type Container, type PodTemplate } from './pod-template.js';
import { podQueueing, jobQueueing } from './queueing.js';
import type { Queueing } from './settings.js';

/** On Jobs: how many workers the run was to have when they were last changed, and how many live on a node. */
const WORKERS = 'prospect.dev/workers';
const WORKERS_PER_NODE = 'prospect.dev/workers-per-node';

/** A supervisor that was told to end by SIGTERM: 128 and the signal's number. */
export const EXIT_TERMINATED = 143;

export interface JobSpec {
  readonly run: RunSpec;
  readonly template: PodTemplate;
  readonly owner: OwnerReference;
  readonly node: NodeGpus & { readonly gpuResource: string };
  readonly queueing: Queueing;
  readonly size: JobSize;
}

/** How many workers, and how they are laid out. */
export interface JobSize {
  readonly workers: number;
  readonly workersPerNode: number;
}

export function jobNameOf(runId: string): string {
  return `prospect-${runId}`;
}

/** The Job of a run: one pod a node, by index. It replaces pods; the coordinator decides what that means for the run. */
export function makeJob(spec: JobSpec): object {
  const { run, template, owner, queueing, size } = spec;
  const labels = { ...template.metadata?.labels, [RUN_LABEL]: run.runId };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobNameOf(run.runId),
      labels: { ...labels, ...jobQueueing(queueing).labels },
      annotations: annotationsOf(size),
      // Uninstalling the chart leaves no Job behind.
      ownerReferences: [{ ...owner, controller: false, blockOwnerDeletion: false }],
    },
    spec: {
      ...jobQueueing(queueing).spec,
      completionMode: 'Indexed',
      ...sizeOf(size, run),
      backoffLimitPerIndex: run.maxRestarts,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: failureRules },
      template: {
        ...template,
        metadata: {
          ...template.metadata,
          labels,
          annotations: {
            ...template.metadata?.annotations,
            ...podQueueing(jobNameOf(run.runId), queueing).annotations,
          },
        },
        spec: makePodSpec(spec),
      },
    },
  };
}

/** Changes the number of a Job's nodes in place: what Kubernetes allows where both numbers change together. */
export function resizePatch(size: JobSize, run: RunSpec): object {
  return { metadata: { annotations: annotationsOf(size) }, spec: sizeOf(size, run) };
}

/** As the Job says; null where it is none of ours. */
export function readSize({ metadata }: Job): JobSize | null {
  const [workers, workersPerNode] = [WORKERS, WORKERS_PER_NODE].map((key) =>
    Number(metadata.annotations?.[key]),
  );
  if (!isCount(workers) || !isCount(workersPerNode)) return null;
  return { workers, workersPerNode };
}

/** In order: the first rule that fits a failed pod counts. What fits none counts against the index's restarts. */
const failureRules = [
  {
    action: 'FailJob',
    onExitCodes: { containerName: SUPERVISOR, operator: 'In', values: [ExitCode.badInput] },
  },
  { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  // Deleted, by a person or by the coordinator, whose failure policy counts by itself.
  { action: 'Ignore', onExitCodes: { containerName: SUPERVISOR, operator: 'In', values: [EXIT_TERMINATED] } },
];

function sizeOf({ workers, workersPerNode }: JobSize, { minWorkers }: RunSpec): object {
  const nodes = nodesFor(workers, workersPerNode);
  const minNodes = nodesFor(minWorkers, workersPerNode);
  return { parallelism: nodes, completions: nodes, maxFailedIndexes: nodes - minNodes };
}

function annotationsOf({ workers, workersPerNode }: JobSize): Readonly<Record<string, string>> {
  return { [WORKERS]: String(workers), [WORKERS_PER_NODE]: String(workersPerNode) };
}

function makePodSpec({ run, template, node, queueing, size }: JobSpec): object {
  const { containers, initContainers = [], affinity, ...rest } = template.spec;
  const gpus: Readonly<Record<string, number>> = {
    [SUPERVISOR]: node.gpusPerNode === 0 ? 0 : size.workersPerNode,
    [REPLICA]: replicaGpus(node, run.needsReference),
  };
  const env = [
    { name: 'PROSPECT_RUN_ID', value: run.runId },
    { name: 'PROSPECT_WORKERS_PER_NODE', value: String(size.workersPerNode) },
    { name: 'PROSPECT_THREADS', value: String(run.threads) },
  ];
  const fit = (container: Container) => ({
    ...withGpus(container, node.gpuResource, gpus[container.name] ?? 0),
    // In front: later ones, and arguments, may refer to them.
    env: [...env, ...(container.env ?? [])],
  });
  return {
    ...rest,
    ...podQueueing(jobNameOf(run.runId), queueing).spec,
    affinity: apart(affinity, run.runId),
    initContainers: initContainers.filter(({ name }) => name !== REPLICA || run.needsReference).map(fit),
    containers: containers.map(fit),
  };
}

function withGpus(container: Container, resource: string, count: number): Container {
  if (count === 0) return container;
  const { requests, limits } = container.resources ?? {};
  const gpus = { [resource]: count };
  return {
    ...container,
    resources: { ...container.resources, requests: { ...requests, ...gpus }, limits: { ...limits, ...gpus } },
  };
}

/** No node has two pods of a run. */
function apart(affinity: PodTemplate['spec']['affinity'], runId: string): object {
  const before = affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const term = {
    labelSelector: { matchLabels: { [RUN_LABEL]: runId } },
    topologyKey: 'kubernetes.io/hostname',
  };
  return {
    ...affinity,
    podAntiAffinity: {
      ...affinity?.podAntiAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: [...before, term],
    },
  };
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0;
}
