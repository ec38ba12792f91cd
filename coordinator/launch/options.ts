import { ConfigError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { KubernetesLauncher } from './kubernetes/kubernetes-launcher.js';
import type { KubernetesSettings, Queueing, ReferenceMode } from './kubernetes/settings.js';
import type { Launcher } from './launcher.js';
import { ProcessLauncher } from './process-launcher.js';

const text = { type: 'string' } as const;

const processFlags = { 'worker-entry': text, 'reference-entry': text };
const kubernetesFlags = {
  pod: text,
  namespace: text,
  'worker-template': text,
  'gpu-resource': text,
  'gpus-per-node': text,
  'reference-mode': text,
  queueing: text,
  queue: text,
};

/** What the coordinator's command line says of the launcher, for `parseArgs`. */
export const launcherFlags = {
  launcher: { ...text, default: 'process' },
  ...processFlags,
  ...kubernetesFlags,
};

type Values = Readonly<Partial<Record<keyof typeof launcherFlags, string>>>;

/** Makes the launcher that tells workers this address, where its kind tells them any. */
export type MakeLauncher = (coordinatorAddress: string) => Launcher | Promise<Launcher>;

/** Whether the cluster's queue decides when a run begins, so that the coordinator must not. */
export function isQueuedElsewhere({ queueing }: Values): boolean {
  return queueing === 'kueue' || queueing === 'volcano';
}

/** @throws ConfigError where a flag is missing, wrong, or another launcher's */
export function readLauncher(values: Values, stateDir: string, log: Logger): MakeLauncher {
  const { launcher } = values;
  if (launcher === 'process') {
    refuse(values, kubernetesFlags, launcher);
    const workerEntry = required(values, 'worker-entry');
    const referenceEntry = required(values, 'reference-entry');
    return (coordinatorAddress) =>
      new ProcessLauncher({ workerEntry, referenceEntry, coordinatorAddress, stateDir });
  }
  if (launcher !== 'kubernetes') {
    throw new ConfigError(`--launcher must be process or kubernetes, not ${launcher ?? ''}`);
  }
  refuse(values, processFlags, launcher);
  const settings = readKubernetesSettings(values);
  return () => KubernetesLauncher.connect({ settings, log });
}

function readKubernetesSettings(values: Values): KubernetesSettings {
  return {
    pod: required(values, 'pod'),
    namespace: required(values, 'namespace'),
    workerTemplate: required(values, 'worker-template'),
    gpuResource: required(values, 'gpu-resource'),
    gpusPerNode: readCount(required(values, 'gpus-per-node')),
    referenceMode: readReferenceMode(required(values, 'reference-mode')),
    queueing: readQueueing(required(values, 'queueing'), values.queue),
  };
}

function readCount(value: string): number {
  if (!/^\d{1,4}$/.test(value)) throw new ConfigError(`--gpus-per-node must be a whole number, not ${value}`);
  return Number(value);
}

function readReferenceMode(mode: string): ReferenceMode {
  if (mode === 'dedicated' || mode === 'shared') return mode;
  if (mode === 'adapter-off' || mode === 'precomputed') {
    throw new ConfigError(`--reference-mode ${mode}: workers cannot do that yet; use dedicated or shared`);
  }
  throw new ConfigError(`--reference-mode must be dedicated or shared, not ${mode}`);
}

function readQueueing(mode: string, queue: string | undefined): Queueing {
  if (mode === 'none') {
    if (queue !== undefined) throw new ConfigError('--queue is given, but --queueing is none');
    return { mode };
  }
  if (mode !== 'kueue' && mode !== 'volcano') {
    throw new ConfigError(`--queueing must be none, kueue or volcano, not ${mode}`);
  }
  if (queue === undefined)
    throw new ConfigError(`--queue is missing: --queueing ${mode} needs the queue's name`);
  return { mode, queue };
}

function required(values: Values, name: keyof Values): string {
  const value = values[name];
  if (value === undefined) throw new ConfigError(`--${name} is missing`);
  return value;
}

function refuse(values: Values, flags: Partial<Record<keyof Values, unknown>>, launcher: string): void {
  const given = (Object.keys(flags) as (keyof Values)[]).find((name) => values[name] !== undefined);
  if (given !== undefined) throw new ConfigError(`--${given} is not for --launcher ${launcher}`);
}
