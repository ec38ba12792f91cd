import { parseArgs } from 'node:util';
import { ConfigError, messageOf } from '../../lib/errors.js';
import { readTlsFlags, tlsFlags, type TlsFiles } from '../../lib/security/tls-files.js';

export interface SupervisorOptions {
  /** host:port. */
  readonly coordinator: string;
  readonly runId: string;
  readonly workerIds: readonly string[];
  /** TensorFlow threads of each worker. */
  readonly threads: number;
  /** Address of this node, by which other nodes' workers reach those of this one. */
  readonly listenHost: string;
  /** Unix socket path of the node's reference replica. */
  readonly referenceSocket: string;
  /** File that tells the replica what to serve (worker/reference/reference-file.ts). */
  readonly referenceFollow: string;
  /** host:port. */
  readonly metricsListen: string;
  /** With which the workers know the coordinator, and it them; null for plain text. */
  readonly tls: TlsFiles | null;
}

const text = { type: 'string' } as const;
const commandLine = {
  coordinator: text,
  'run-id': text,
  node: text,
  workers: text,
  threads: text,
  'listen-host': text,
  'reference-socket': text,
  'reference-follow': text,
  'metrics-listen': text,
  ...tlsFlags,
};

type Flag = keyof typeof commandLine;

/** @throws ConfigError naming the flag that is missing, wrong or unknown */
export function readOptions(args: readonly string[]): SupervisorOptions {
  const values = parse(args);
  const need = (flag: Flag): string => {
    const value = values[flag];
    if (value === undefined) throw new ConfigError(`supervisor: --${flag} is missing`);
    return value;
  };
  const count = (flag: Flag, least: number): number => {
    const value = need(flag);
    if (!/^\d{1,6}$/.test(value) || Number(value) < least) {
      throw new ConfigError(`supervisor: --${flag} is ${value}; it must be an integer from ${least} on`);
    }
    return Number(value);
  };
  return {
    coordinator: need('coordinator'),
    runId: need('run-id'),
    workerIds: workersOf(count('node', 0), count('workers', 1)),
    threads: count('threads', 1),
    listenHost: need('listen-host'),
    referenceSocket: need('reference-socket'),
    referenceFollow: need('reference-follow'),
    metricsListen: need('metrics-listen'),
    tls: readTlsFlags(values),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: commandLine }).values;
  } catch (error) {
    throw new ConfigError(`supervisor: ${messageOf(error)}`);
  }
}

/** Worker i of a run lives on node floor(i / W), where W is the number of workers of a node. */
function workersOf(node: number, workers: number): string[] {
  return Array.from({ length: workers }, (_, slot) => `worker-${node * workers + slot}`);
}
