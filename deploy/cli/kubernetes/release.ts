import { z } from 'zod';
import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError } from '../../../coordinator/launch/kubernetes/api-error.js';
import { KubernetesApi, type Resource } from '../../../coordinator/launch/kubernetes/kubernetes-api.js';
import { conditionOf, pods, podSchema, readList } from '../../../coordinator/launch/kubernetes/objects.js';
import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';
import { entranceOf, type Entrance, type GivenIdentity } from './entrance.js';
import { LocalPort } from './local-port.js';
import { PodPort } from './pod-port.js';

/** Which release of the chart is meant. */
export interface ReleasePlace {
  readonly release: string;
  /** Null for the context's own, or `default`. */
  readonly namespace: string | null;
  /** Of the kubeconfig; null for the current one. */
  readonly context: string | null;
  /** How the user is known there; null for as whoever may read the release's Secrets. */
  readonly identity: GivenIdentity | null;
}

const services: Resource = { group: '', version: 'v1', plural: 'services' };

const serviceSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.looseObject({
    selector: z.record(z.string(), z.string()),
    ports: z.array(z.looseObject({ name: z.string().optional(), port: z.int() })),
  }),
});

type Service = z.infer<typeof serviceSchema>;

/**
 * Opens a port of this machine that leads to a release's coordinator, through the Kubernetes API, for as long as `body`
 * takes. It leads to the next pod where the coordinator's is replaced.
 *
 * @throws ConfigError where there is no such release, or no such context; RunError where the API server does not answer
 */
export async function withRelease<T>(
  place: ReleasePlace,
  body: (address: string, entrance: Entrance) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(place.context);
  const namespace = place.namespace ?? namespaceOf(config);
  const api = new KubernetesApi(config, namespace);
  const service = await findService(api, place.release, namespace);
  const { annotations = {} } = service.metadata;
  const entrance = await entranceOf(annotations, place.release, place.identity, api);
  const selector = Object.entries(service.spec.selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const target = new PodPort(config, namespace, entrance.port, () => readyPod(api, selector));
  const port = await LocalPort.open((socket) => target.join(socket));
  try {
    return await body(port.address, entrance);
  } finally {
    await port.close();
  }
}

/** It takes a second to load, so only what needs it does. */
async function loadConfig(context: string | null): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (error) {
    throw new ConfigError(`the kubeconfig cannot be read: ${messageOf(error)}`);
  }
  if (context !== null) {
    const names = config.getContexts().map(({ name }) => name);
    if (!names.includes(context)) {
      throw new ConfigError(`--context ${context}: the kubeconfig has ${names.join(', ') || 'no context'}`);
    }
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster() === null) {
    throw new ConfigError('--release needs a kubeconfig with a current context; set KUBECONFIG');
  }
  return config;
}

function namespaceOf(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}

async function findService(api: KubernetesApi, release: string, namespace: string): Promise<Service> {
  const selector =
    'app.kubernetes.io/part-of=prospect,app.kubernetes.io/component=api,' +
    `app.kubernetes.io/instance=${release}`;
  const { items } = readList(serviceSchema, await asUserError(api.list(services, selector)));
  const [service] = items;
  if (service !== undefined) return service;
  throw new ConfigError(
    `there is no release ${release} of Prospect in namespace ${namespace}: name its own by --namespace; ` +
      'helm list --all-namespaces shows what there is',
  );
}

/** The name of the coordinator's pod, once it is ready to be asked; null while there is none. */
async function readyPod(api: KubernetesApi, selector: string): Promise<string | null> {
  const { items } = readList(podSchema, await api.list(pods, selector));
  const ready = items.find(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && conditionOf(status?.conditions, 'Ready') !== undefined,
  );
  return ready?.metadata.name ?? null;
}

async function asUserError(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new RunError(`Kubernetes' API server does not say where the release is: ${error.message}`);
  }
}
