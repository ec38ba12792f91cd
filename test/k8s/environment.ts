import { join } from 'node:path';

/** What the environment says of the cluster that the tests are to use. */
export interface Environment {
  /** A cluster that is there already; null for one of the tests' own. */
  readonly kubeconfig: string | null;
  /** Folder of the programs `cluster` and `image`, which start a cluster here, kill its nodes, and build images. */
  readonly tools: string | null;
  /** Of images that the cluster has, or can pull; null for images that are built. */
  readonly imageTag: string | null;
  /** Goes before the images' names. */
  readonly imagePrefix: string;
  /** The chart's version before this one, as Helm takes it; null to upgrade from this one. */
  readonly previousChart: string | null;
}

export interface Images {
  readonly coordinator: string;
  readonly worker: string;
  readonly tag: string;
}

export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  return {
    kubeconfig: env['KUBECONFIG'] ?? null,
    tools: env['PROSPECT_K8S_TOOLS'] ?? null,
    imageTag: env['PROSPECT_K8S_IMAGE_TAG'] ?? null,
    imagePrefix: env['PROSPECT_K8S_IMAGE_PREFIX'] ?? '',
    previousChart: env['PROSPECT_K8S_PREVIOUS_CHART'] ?? null,
  };
}

/** What a file of tests cannot do without; false where it is there. */
export function whyNot({ kubeconfig, imageTag }: Environment): string | false {
  if (kubeconfig === null) {
    return 'no cluster: set KUBECONFIG, or PROSPECT_K8S_TOOLS for `npm run test:k8s` to start one';
  }
  if (imageTag === null) {
    return 'no images: set PROSPECT_K8S_IMAGE_TAG, or PROSPECT_K8S_TOOLS for `npm run test:k8s` to build them';
  }
  return false;
}

export function imagesOf({ imagePrefix, imageTag }: Environment): Images {
  if (imageTag === null) throw new Error('PROSPECT_K8S_IMAGE_TAG is not set');
  return {
    coordinator: `${imagePrefix}prospect-coordinator`,
    worker: `${imagePrefix}prospect-worker`,
    tag: imageTag,
  };
}

export function toolOf({ tools }: Environment, name: 'cluster' | 'image'): string {
  if (tools === null) throw new Error('PROSPECT_K8S_TOOLS is not set');
  return join(tools, name);
}
