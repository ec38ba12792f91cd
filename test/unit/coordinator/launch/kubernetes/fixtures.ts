import { packagePath } from '../../../../../lib/package.js';
import {
  readPodTemplate,
  type PodTemplate,
} from '../../../../../coordinator/launch/kubernetes/pod-template.js';
import type { KubernetesSettings } from '../../../../../coordinator/launch/kubernetes/settings.js';
import type { RunSpec } from '../../../../../coordinator/launch/launcher.js';

export function templateFile(name: 'cpu' | 'gpu'): string {
  return packagePath(`test/unit/coordinator/launch/kubernetes/fixtures/pod-template-${name}.yaml`);
}

export function template(name: 'cpu' | 'gpu'): PodTemplate {
  return readPodTemplate(templateFile(name));
}

export const settings: KubernetesSettings = {
  pod: 'demo-prospect-coordinator-0',
  namespace: 'training',
  workerTemplate: templateFile('gpu'),
  gpuResource: 'nvidia.com/gpu',
  gpusPerNode: 3,
  referenceMode: 'dedicated',
  queueing: { mode: 'none' },
};

export const run: RunSpec = {
  runId: 'run-1',
  outputDir: '/shared/out',
  threads: 4,
  minWorkers: 1,
  maxRestarts: 5,
  needsReference: true,
};
