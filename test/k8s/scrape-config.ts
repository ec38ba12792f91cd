import { z } from 'zod';
import { metaName, type Targets } from './targets.js';

/** How Prometheus comes to what the operator's monitors select: without the operator, and from outside the cluster. */

const relabeling = z.strictObject({
  sourceLabels: z.array(z.string()).optional(),
  targetLabel: z.string(),
  // Kubernetes fills it in.
  action: z.literal('replace'),
  replacement: z.string().optional(),
});

const endpoint = z.strictObject({
  port: z.string(),
  interval: z.string(),
  honorLabels: z.boolean().optional(),
  relabelings: z.array(relabeling),
});

const selection = {
  selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
  namespaceSelector: z.strictObject({ matchNames: z.array(z.string()) }),
};

const monitorSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('ServiceMonitor'),
    spec: z.strictObject({ ...selection, endpoints: z.tuple([endpoint]) }),
  }),
  z.object({
    kind: z.literal('PodMonitor'),
    spec: z.strictObject({ ...selection, podMetricsEndpoints: z.tuple([endpoint]) }),
  }),
]);

type Monitor = z.infer<typeof monitorSchema>;

/** How the operator reads a kind: where Prometheus finds targets, whose labels are meant, and which ports. */
const kinds = {
  ServiceMonitor: { role: 'endpoints', labelsOf: 'service', port: 'endpoint_port_name' },
  PodMonitor: { role: 'pod', labelsOf: 'pod', port: 'pod_container_port_name' },
} as const;

/**
 * What the operator makes of monitors, but for the way: through the API server, whose plain HTTP at `apiServer`
 * (`host:port`) `kubectl proxy` offers, and not straight to the pods.
 * @param interval in place of the monitors' own
 */
export function scrapeConfigOf(
  monitor: unknown,
  targets: Targets,
  apiServer: string,
  interval: string,
): object {
  const { kind, spec } = monitorSchema.parse(monitor);
  const { role, labelsOf, port } = kinds[kind];
  const { honorLabels = false, ...read } = endpointOf({ kind, spec } as Monitor);
  const selected = Object.entries(spec.selector.matchLabels).map(([label, value]) =>
    keep(`__meta_kubernetes_${labelsOf}_label_${metaName(label)}`, value),
  );
  return {
    job_name: kind,
    honor_labels: honorLabels,
    scrape_interval: interval,
    scrape_timeout: interval,
    static_configs: targets[role],
    relabel_configs: [
      keep('__meta_kubernetes_namespace', spec.namespaceSelector.matchNames.join('|')),
      ...selected,
      keep(`__meta_kubernetes_${port}`, read.port),
      ...standardLabels,
      ...read.relabelings.map(({ sourceLabels, targetLabel, replacement }) => ({
        ...(sourceLabels === undefined ? {} : { source_labels: sourceLabels }),
        target_label: targetLabel,
        ...(replacement === undefined ? {} : { replacement }),
      })),
      ...throughApiServer(apiServer),
    ],
  };
}

function endpointOf(monitor: Monitor): z.infer<typeof endpoint> {
  const [only] =
    monitor.kind === 'ServiceMonitor' ? monitor.spec.endpoints : monitor.spec.podMetricsEndpoints;
  return only;
}

const keep = (label: string, value: string) => ({ source_labels: [label], regex: value, action: 'keep' });

/** Those that the operator gives every target. */
const standardLabels = [
  { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
  { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
  { source_labels: ['__address__'], target_label: 'instance' },
];

function throughApiServer(apiServer: string): readonly object[] {
  const source = ['__meta_kubernetes_namespace', '__meta_kubernetes_pod_name', '__address__'];
  return [
    {
      source_labels: source,
      regex: '(.+);(.+);.+:(\\d+)',
      target_label: '__metrics_path__',
      replacement: '/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics',
    },
    { target_label: '__address__', replacement: apiServer },
  ];
}
