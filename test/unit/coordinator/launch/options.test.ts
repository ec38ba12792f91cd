import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { launcherFlags, readLauncher } from '../../../../coordinator/launch/options.js';
import { ProcessLauncher } from '../../../../coordinator/launch/process-launcher.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const onCluster = [
  ...['--launcher', 'kubernetes', '--pod', 'coordinator-0', '--namespace', 'training'],
  ...['--worker-template', 'pod.yaml', '--gpu-resource', 'nvidia.com/gpu', '--gpus-per-node', '8'],
  ...['--reference-mode', 'dedicated', '--queueing', 'none'],
];

function read(args: readonly string[], stateDir = '/nowhere') {
  const { values } = parseArgs({ args: [...args], options: launcherFlags });
  return readLauncher(values, stateDir, pino({ level: 'silent' }));
}

/** The last one of a flag counts. */
const refused = (args: readonly string[], words: RegExp) =>
  assert.throws(
    () => read(args),
    (error: Error) => error instanceof ConfigError && words.test(error.message),
    args.join(' '),
  );

test('workers are processes on this machine unless told otherwise', async (t) => {
  const stateDir = await temporaryDirectory(t);
  const launcher = await read(
    ['--worker-entry', 'w.js', '--reference-entry', 'r.js'],
    stateDir,
  )('127.0.0.1:1');
  assert.ok(launcher instanceof ProcessLauncher);
  await launcher.close();
});

test('the chart’s flags are taken', () => {
  read(onCluster);
  read([...onCluster, '--queueing', 'kueue', '--queue', 'trainers']);
});

test('what is missing, wrong, or another launcher’s is named', () => {
  refused(['--worker-entry', 'w.js'], /--reference-entry is missing/);
  refused(['--launcher', 'slurm'], /--launcher must be process or kubernetes, not slurm/);
  refused([...onCluster, '--worker-entry', 'w.js'], /--worker-entry is not for --launcher kubernetes/);
  refused(['--worker-entry', 'w.js', '--pod', 'x'], /--pod is not for --launcher process/);
  refused(onCluster.slice(0, 4), /--namespace is missing/);
  refused([...onCluster, '--gpus-per-node', 'all'], /--gpus-per-node must be a whole number, not all/);
  refused([...onCluster, '--reference-mode', 'adapter-off'], /workers cannot do that yet/);
  refused([...onCluster, '--reference-mode', 'fast'], /must be dedicated or shared, not fast/);
  refused([...onCluster, '--queueing', 'kueue'], /--queue is missing/);
  refused([...onCluster, '--queue', 'trainers'], /--queue is given, but --queueing is none/);
  refused([...onCluster, '--queueing', 'slurm', '--queue', 'q'], /must be none, kueue or volcano, not slurm/);
});
