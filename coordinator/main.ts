import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf, UserError } from '../lib/errors.js';
import { createLogger } from '../lib/log.js';
import { announceFailure } from '../lib/process/lifeline.js';
import { startRecording } from '../lib/profile/recorder.js';
import { isQueuedElsewhere, launcherFlags, readLauncher } from './launch/options.js';
import { runCoordinator, sharedPaths, type ProgramOptions } from './program.js';
import { readSecurity, securityFlags } from './security/options.js';

const log = createLogger('coordinator');

/*
 * The coordinator as a process of its own:
 *
 *     node coordinator/main.js --state-dir DIR [--storage-dir DIR] [--sources-dir DIR] --listen 127.0.0.1:0 [--metrics-listen 127.0.0.1:0]
 *       [--shared-root DIR]… [--max-workers N] [--page-token-file FILE] --worker-entry FILE --reference-entry FILE
 *       [--health-listen HOST:PORT] [--tls-ca FILE --tls-cert FILE --tls-key FILE --identity-domain NAME
 *       [--token-listen HOST:PORT --tokens FILE]]
 *
 * or, with workers on a cluster, in place of the last line (the chart's coordinator does that):
 *
 *       --launcher kubernetes --pod NAME --namespace NAME --worker-template FILE --gpu-resource NAME
 *       --gpus-per-node COUNT --reference-mode dedicated|shared --queueing none|kueue|volcano [--queue NAME]
 *
 * Uploads, and the outputs of runs that name no place, go to --storage-dir, which workers see under the same path; without
 * it, to --state-dir. Models and data that are fetched from elsewhere go to --sources-dir, which several coordinators may
 * share; without it, to a folder there.
 * Without --shared-root, runs may name any path of this machine.
 */
const text = { type: 'string' } as const;
const commandLine = {
  'state-dir': text,
  'storage-dir': text,
  'sources-dir': text,
  listen: { ...text, default: '127.0.0.1:0' },
  'metrics-listen': text,
  'shared-root': { ...text, multiple: true },
  'max-workers': text,
  'page-token-file': text,
  'health-listen': text,
  ...securityFlags,
  ...launcherFlags,
} as const;

function parseCommandLine() {
  try {
    return parseArgs({ options: commandLine }).values;
  } catch (error) {
    throw new ConfigError(messageOf(error));
  }
}

function readOptions(): ProgramOptions {
  const values = parseCommandLine();
  if (values['state-dir'] === undefined) throw new ConfigError('--state-dir is missing');
  const stateDir = resolve(values['state-dir']);
  const roots = values['shared-root'];
  return {
    stateDir,
    storageDir: resolve(values['storage-dir'] ?? stateDir),
    ...(values['sources-dir'] !== undefined && { sourcesDir: resolve(values['sources-dir']) }),
    listen: values.listen,
    metricsListen: values['metrics-listen'] ?? null,
    paths: roots === undefined ? { kind: 'any' } : sharedPaths(roots),
    maxWorkers: readMaxWorkers(values['max-workers'], isQueuedElsewhere(values)),
    pageTokenFile: values['page-token-file'] ?? null,
    security: readSecurity(values, { localWorkers: values.launcher === 'process' }),
    healthListen: values['health-listen'] ?? null,
    makeLauncher: readLauncher(values, stateDir, log),
    log,
  };
}

/** @throws ConfigError */
function readMaxWorkers(text: string | undefined, queuedElsewhere: boolean): number | null {
  if (text === undefined) return queuedElsewhere ? Number.POSITIVE_INFINITY : null;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new ConfigError(`--max-workers must be a whole number of at least 1, not ${text}`);
}

try {
  startRecording(() => ({ process: 'coordinator', thread: 'coordinator', peakFlops: null }));
  await runCoordinator(readOptions());
  process.exit(ExitCode.done);
} catch (error) {
  if (error instanceof UserError) log.fatal(error.message);
  else log.fatal({ err: error }, 'defect');
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
