import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf, UserError } from '../lib/errors.js';
import { createLogger } from '../lib/log.js';
import { announceFailure, announceReady, exitWithParent } from '../lib/process/lifeline.js';
import { ProcessLauncher } from './launch/process-launcher.js';
import { startCoordinator, type Coordinator } from './server.js';

const log = createLogger('coordinator');

/**
 * The coordinator as a process of its own:
 *
 *     node coordinator/main.js --state-dir DIR --listen 127.0.0.1:0 [--metrics-listen 127.0.0.1:0]
 *       --worker-entry FILE --reference-entry FILE
 *
 * SIGTERM, SIGINT and the end of the parent all stop it in order: it has a checkpoint of the current run written, stops
 * its children and closes the journal. Started again on the same state, it goes on with the run.
 */
async function main(): Promise<void> {
  const options = readOptions();
  const coordinator = await startCoordinator({
    ...options,
    maxWorkers: null,
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
  'worker-entry': text,
  'reference-entry': text,
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
  const required = (name: 'state-dir' | 'worker-entry' | 'reference-entry'): string => {
    const value = values[name];
    if (value === undefined) throw new ConfigError(`--${name} is missing`);
    return value;
  };
  const stateDir = resolve(required('state-dir'));
  const workerEntry = required('worker-entry');
  const referenceEntry = required('reference-entry');
  return {
    stateDir,
    listen: values.listen,
    metricsListen: values['metrics-listen'] ?? null,
    makeLauncher: (coordinatorAddress: string) =>
      new ProcessLauncher({ workerEntry, referenceEntry, coordinatorAddress, stateDir }),
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
