import { z } from 'zod';
import type { Namespace } from './namespace.js';

/**
 * What Prometheus' discovery in Kubernetes finds, as static targets with the labels that it would give them: Debian's
 * Prometheus is built without it.
 */
export interface Targets {
  /** Of the role `endpoints`: each port of a Service, of each pod behind it. */
  readonly endpoints: readonly Target[];
  /** Of the role `pod`: each port of each container. */
  readonly pod: readonly Target[];
}

interface Target {
  readonly targets: readonly [string];
  readonly labels: Readonly<Record<string, string>>;
}

const metadata = z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) });

const podSchema = z.object({
  kind: z.literal('Pod'),
  metadata,
  spec: z.object({
    containers: z.array(
      z.object({
        ports: z.array(z.object({ name: z.string(), containerPort: z.int() })).default([]),
      }),
    ),
  }),
  status: z.object({ podIP: z.string() }),
});

const serviceSchema = z.object({
  kind: z.literal('Service'),
  metadata,
  spec: z.object({
    selector: z.record(z.string(), z.string()),
    ports: z.array(z.object({ name: z.string(), targetPort: z.string() })),
  }),
});

const listSchema = z.object({ items: z.array(z.discriminatedUnion('kind', [podSchema, serviceSchema])) });

type Pod = z.infer<typeof podSchema>;
type Service = z.infer<typeof serviceSchema>;

export async function findTargets(namespace: Namespace): Promise<Targets> {
  const text = await namespace.kubectl('get', 'pods,services', '-o', 'json');
  const { items } = listSchema.parse(JSON.parse(text));
  const pods = items.filter((item) => item.kind === 'Pod');
  const services = items.filter((item) => item.kind === 'Service');
  return {
    pod: pods.flatMap((pod) =>
      portsOf(pod).map(({ name, containerPort }) =>
        targetOf(namespace, pod, containerPort, { pod_container_port_name: name }),
      ),
    ),
    endpoints: services.flatMap((service) => endpointsOf(namespace, service, pods)),
  };
}

function endpointsOf(namespace: Namespace, service: Service, pods: readonly Pod[]): readonly Target[] {
  const { selector, ports } = service.spec;
  const isBehind = ({ metadata: { labels } }: Pod) =>
    Object.entries(selector).every(([label, value]) => labels[label] === value);
  return pods.filter(isBehind).flatMap((pod) =>
    ports.flatMap(({ name, targetPort }) =>
      portsOf(pod)
        .filter((port) => port.name === targetPort)
        .map(({ containerPort }) =>
          targetOf(namespace, pod, containerPort, {
            endpoint_port_name: name,
            ...labelsOf('service', service.metadata.labels),
          }),
        ),
    ),
  );
}

function targetOf(
  namespace: Namespace,
  { metadata: { name, labels }, status: { podIP } }: Pod,
  port: number,
  more: Readonly<Record<string, string>>,
): Target {
  const all = { namespace: namespace.name, pod_name: name, ...labelsOf('pod', labels), ...more };
  const meta = Object.entries(all).map(([label, value]) => [`__meta_kubernetes_${label}`, value] as const);
  return { targets: [`${podIP}:${port}`], labels: Object.fromEntries(meta) };
}

const portsOf = ({ spec: { containers } }: Pod) => containers.flatMap(({ ports }) => ports);

function labelsOf(kind: string, labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels).map(
    ([label, value]) => [`${kind}_label_${metaName(label)}`, value] as const,
  );
  return Object.fromEntries(entries);
}

/** What Prometheus makes of a Kubernetes label's name. */
export function metaName(label: string): string {
  return label.replace(/[^a-zA-Z0-9_]/g, '_');
}
