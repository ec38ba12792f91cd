import { ConfigError } from '../../../lib/errors.js';
import type { ReferenceMode } from './settings.js';

/** Which worker lives on which node: worker i on node floor(i / W), W workers to a node. */

/** What a node of the cluster has for a run. */
export interface NodeGpus {
  /** 0 where runs train on CPUs. */
  readonly gpusPerNode: number;
  readonly referenceMode: ReferenceMode;
}

/** GPUs that a node's replica has for itself. */
export function replicaGpus({ gpusPerNode, referenceMode }: NodeGpus, needsReference: boolean): number {
  return gpusPerNode > 0 && needsReference && referenceMode === 'dedicated' ? 1 : 0;
}

/**
 * Workers of a node: one a GPU, or a single one on CPUs. A run with fewer workers in all takes no more GPUs than those.
 * @throws ConfigError where the replica leaves no GPU
 */
export function workersPerNode(node: NodeGpus, needsReference: boolean, workers: number): number {
  const { gpusPerNode } = node;
  if (gpusPerNode === 0) return 1;
  const most = gpusPerNode - replicaGpus(node, needsReference);
  if (most < 1) {
    throw new ConfigError(
      `--gpus-per-node ${gpusPerNode} leaves no GPU for a worker beside the reference's own: ` +
        'use --reference-mode shared, or more GPUs',
    );
  }
  return Math.min(most, workers);
}

export function nodesFor(workers: number, perNode: number): number {
  return Math.ceil(workers / perNode);
}

export function nodeOf(workerId: string, perNode: number): number {
  return Math.floor(Number(workerId.replace('worker-', '')) / perNode);
}

/** The ids of a node's workers, of a run that has so many. */
export function workersOn(node: number, perNode: number, workers: number): readonly string[] {
  const count = Math.max(0, Math.min(perNode, workers - node * perNode));
  return Array.from({ length: count }, (_, slot) => `worker-${node * perNode + slot}`);
}
