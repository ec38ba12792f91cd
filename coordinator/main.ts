import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf, UserError } from '../lib/errors.js';
import { createLogger } from '../lib/log.js';
import { announceFailure } from '../lib/process/lifeline.js';
import { runCoordinator, sharedPaths, type ProgramOptions } from './program.js';
import { readSecurity, securityFlags } from './security/options.js';

const log = createLogger('coordinator');

/*
 * The coordinator as a process of its own:
 *
 *     node coordinator/main.js --state-dir DIR --listen 127.0.0.1:0 [--metrics-listen 127.0.0.1:0]
 *       [--shared-root DIR]… [--max-workers N] [--page-token-file FILE] --worker-entry FILE --reference-entry FILE
 *       [--health-listen HOST:PORT] [--tls-ca FILE --tls-cert FILE --tls-key FILE --identity-domain NAME
 *       [--token-listen HOST:PORT --tokens FILE]]
 *
 * Without --shared-root, runs may name any path of this machine.
 */
const text = { type: 'string' } as const;
const commandLine = {
  'state-dir': text,
  listen: { ...text, default: '127.0.0.1:0' },
  'metrics-listen': text,
  'shared-root': { ...text, multiple: true },
  'max-workers': text,
  'page-token-file': text,
  'worker-entry': text,
  'reference-entry': text,
  'health-listen': text,
  ...securityFlags,
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
  const required = (name: 'state-dir' | 'worker-entry' | 'reference-entry'): string => {
    const value = values[name];
    if (value === undefined) throw new ConfigError(`--${name} is missing`);
    return value;
  };
  const roots = values['shared-root'];
  const maxWorkers = values['max-workers'];
  return {
    stateDir: required('state-dir'),
    listen: values.listen,
    metricsListen: values['metrics-listen'] ?? null,
    paths: roots === undefined ? { kind: 'any' } : sharedPaths(roots),
    maxWorkers: maxWorkers === undefined ? null : parseMaxWorkers(maxWorkers),
    pageTokenFile: values['page-token-file'] ?? null,
    security: readSecurity(values, { localWorkers: true }),
    healthListen: values['health-listen'] ?? null,
    workerEntry: required('worker-entry'),
    referenceEntry: required('reference-entry'),
    log,
  };
}

/** @throws ConfigError */
function parseMaxWorkers(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new ConfigError(`--max-workers must be a whole number of at least 1, not ${text}`);
}

try {
  await runCoordinator(readOptions());
  process.exit(ExitCode.done);
} catch (error) {
  if (error instanceof UserError) log.fatal(error.message);
  else log.fatal({ err: error }, 'defect');
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
