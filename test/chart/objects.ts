import { parse, parseAllDocuments } from 'yaml';

export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: unknown;
}

/** The objects of a YAML stream. */
export function objectsIn(stream: string): KubernetesObject[] {
  return parseAllDocuments(stream)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/** The text of the worker pod's template; null where the chart makes none. */
export function podTemplateIn(stream: string): string | null {
  const texts = objectsIn(stream).flatMap(({ data }) => data?.['pod-template.yaml'] ?? []);
  return texts[0] ?? null;
}

interface Container {
  readonly name: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

export interface PodSpec {
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

/** Every pod that the chart, or the coordinator by its template, makes. */
export function podsIn(stream: string): Map<string, PodSpec> {
  const pods = new Map<string, PodSpec>();
  for (const { kind, metadata, spec } of objectsIn(stream)) {
    if (kind === 'Pod') pods.set(metadata.name, spec as PodSpec);
    if (kind === 'StatefulSet') {
      pods.set(metadata.name, (spec as { template: { spec: PodSpec } }).template.spec);
    }
  }
  const text = podTemplateIn(stream);
  if (text !== null) pods.set('workers', (parse(text) as { template: { spec: PodSpec } }).template.spec);
  return pods;
}
