/** How a node computes the frozen model. */
export type ReferenceMode = 'dedicated' | 'shared';

export type Queueing =
  | { readonly mode: 'none' }
  | { readonly mode: 'kueue'; readonly queue: string }
  | { readonly mode: 'volcano'; readonly queue: string };

/** What the cluster's admin has set. */
export interface KubernetesSettings {
  /** The coordinator's own pod, of a StatefulSet that owns what is made. */
  readonly pod: string;
  readonly namespace: string;
  /** A PodTemplate as YAML. It is read for each run: an upgrade changes it while runs go on. */
  readonly workerTemplate: string;
  /** The resource that GPUs are. */
  readonly gpuResource: string;
  /** 0 to train on CPUs. */
  readonly gpusPerNode: number;
  readonly referenceMode: ReferenceMode;
  readonly queueing: Queueing;
}
