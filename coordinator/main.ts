import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf, UserError } from '../lib/errors.js';
import { createLogger } from '../lib/log.js';
import { announceFailure, announceReady, exitWithParent } from '../lib/process/lifeline.js';
import { launcherFlags, readLauncher } from './launch/options.js';
import { startCoordinator, type Coordinator } from './server.js';

const log = createLogger('coordinator');

/**
 * The coordinator as a process of its own:
 *
 *     node coordinator/main.js --state-dir DIR --listen 127.0.0.1:0 [--metrics-listen 127.0.0.1:0]
 *       --worker-entry FILE --reference-entry FILE
 *
 * or, with workers on a cluster, in place of the last line (the chart's coordinator does that):
 *
 *       --launcher kubernetes --pod NAME --namespace NAME --worker-template FILE --gpu-resource NAME
 *       --gpus-per-node COUNT --reference-mode dedicated|shared --queueing none|kueue|volcano [--queue NAME]
 *
 * SIGTERM, SIGINT and the end of the parent all stop it in order: it has a checkpoint of the current run written, stops
 * its children and closes the journal. Started again on the same state, it goes on with the run. Workers on a cluster wait
 * for that.
 */
async function main(): Promise<void> {
  const options = readOptions();
  const coordinator = await startCoordinator({
    ...options,
    log,
    onFatal: (error) => {
      log.fatal({ err: error }, 'the journal cannot be written');
      process.exit(ExitCode.failed);
    },
  });
  stopOnSignals(coordinator);
  const { address, metricsAddress } = coordinator;
  log.info({ address, metricsAddress }, 'coordinator is ready');
  announceReady({ address, ...(metricsAddress === null ? {} : { metricsAddress }) });
}

const text = { type: 'string' } as const;
const commandLine = {
  'state-dir': text,
  listen: { ...text, default: '127.0.0.1:0' },
  'metrics-listen': text,
  ...launcherFlags,
};

function parseCommandLine() {
  try {
    return parseArgs({ options: commandLine }).values;
  } catch (error) {
    throw new ConfigError(messageOf(error));
  }
}

function readOptions() {
  const values = parseCommandLine();
  if (values['state-dir'] === undefined) throw new ConfigError('--state-dir is missing');
  const stateDir = resolve(values['state-dir']);
  return {
    stateDir,
    listen: values.listen,
    metricsListen: values['metrics-listen'] ?? null,
    makeLauncher: readLauncher(values, stateDir, log),
  };
}

function stopOnSignals(coordinator: Coordinator): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      coordinator.stop(`the coordinator was stopped by ${signal}`).then(
        () => process.exit(ExitCode.done),
        (error: unknown) => {
          log.fatal({ err: error }, 'the coordinator could not stop in order');
          process.exit(ExitCode.failed);
        },
      );
    });
  }
  exitWithParent(() => coordinator.stop('the process that started the coordinator is gone'), {
    graceMs: 30_000,
  });
}

try {
  await main();
} catch (error) {
  if (error instanceof UserError) log.fatal(error.message);
  else log.fatal({ err: error }, 'defect');
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
