import type { WorkerExit } from '../launcher.js';
import { EXIT_TERMINATED } from './job.js';
import { conditionOf, type Pod } from './objects.js';
import { SUPERVISOR } from './pod-template.js';

/** What a pod's status says, in the coordinator's terms. */

const INDEX = 'batch.kubernetes.io/job-completion-index';
const EXIT_KILLED = 137;
const MAX_WORDS = 300;

/** Which node of its run a pod is; null where it says nothing of that. */
export function nodeIndexOf({ metadata }: Pod): number | null {
  const index = Number(metadata.labels?.[INDEX] ?? metadata.annotations?.[INDEX] ?? Number.NaN);
  return Number.isInteger(index) ? index : null;
}

/** Whether its workers have been started and not ended. */
export function isRunning(pod: Pod): boolean {
  return endOf(pod) === null && stateOf(pod)?.running !== undefined;
}

/** How its workers ended; null where they have not. A sidecar may outlive them. */
export function endOf(pod: Pod): WorkerExit | null {
  const { phase = '' } = pod.status ?? {};
  const terminated = stateOf(pod)?.terminated;
  if (terminated === undefined && phase !== 'Failed' && phase !== 'Succeeded') return null;
  return { ...exitOf(terminated?.exitCode), lastWords: lastWordsOf(pod) };
}

/** What keeps a pod from running, besides time: null where that is nothing. */
export function holdUpOf(pod: Pod): string | null {
  const { conditions, containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const unscheduled = conditionOf(conditions, 'PodScheduled', 'False');
  if (unscheduled?.message) return unscheduled.message;
  for (const { state } of [...initContainerStatuses, ...containerStatuses]) {
    const { reason = '', message = '' } = state?.waiting ?? {};
    if (/^(Err|Invalid|Create\w*Error)|BackOff$/.test(reason)) return message || reason;
  }
  return null;
}

function stateOf({ status }: Pod) {
  return status?.containerStatuses?.find(({ name }) => name === SUPERVISOR)?.state;
}

function exitOf(code: number | undefined): WorkerExit {
  if (code === EXIT_TERMINATED) return { code: null, signal: 'SIGTERM' };
  if (code === EXIT_KILLED) return { code: null, signal: 'SIGKILL' };
  return { code: code ?? null, signal: null };
}

/** Which pod it was, and what the system, or else the process itself, said last. */
function lastWordsOf(pod: Pod): string {
  const { conditions, message: ofPod = '' } = pod.status ?? {};
  const { reason = '', message: output = '' } = stateOf(pod)?.terminated ?? {};
  const disruption = conditionOf(conditions, 'DisruptionTarget')?.message ?? '';
  const ofProcess = reason === 'OOMKilled' ? 'out of memory' : lastLine(output);
  const words = [disruption, ofPod, ofProcess].find((text) => text !== '') ?? '';
  const where = `pod ${pod.metadata.name} on ${pod.spec.nodeName ?? 'no node'}`;
  return words === '' ? where : `${where}: ${cut(words)}`;
}

/** Of the end of a process's output, which is mostly JSON lines of its log: the message of the last line. */
function lastLine(output: string): string {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  try {
    const { msg } = JSON.parse(line) as { readonly msg?: unknown };
    if (typeof msg === 'string') return msg;
  } catch {
    // Some other output, such as Node's when it aborts.
  }
  return line;
}

function cut(text: string): string {
  return text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)}…` : text;
}
