import { resolve } from 'node:path';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { runCoordinator, sharedPaths } from '../../coordinator/program.js';
import type { SecurityOptions } from '../../coordinator/security/options.js';
import type { Coordinator } from '../../coordinator/server.js';
import { ExitCode } from '../../lib/errors.js';
import { createLogger } from '../../lib/log.js';
import { packagePath } from '../../lib/package.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import { DEFAULT_COORDINATOR_ADDRESS } from './coordinator-address.js';
import type { Terminal } from './output/terminal.js';

export interface CoordinatorOptions {
  readonly stateDir: string;
  /** `host:port`. */
  readonly listen: string;
  /** Of the live page and the metrics, `host:port`. */
  readonly metricsListen: string;
  readonly sharedRoots: readonly string[];
  /** Null for one run at a time, with as many as it wants. */
  readonly maxWorkers: number | null;
  readonly pageTokenFile: string | null;
  /** Null for plain text. */
  readonly security: SecurityOptions | null;
  readonly healthListen: string | null;
}

/**
 * `prospect coordinator`: sets TensorFlow up where it is not yet, for the workers on this machine, serves until it is told
 * to stop, and ends the process. Its log goes to standard error; who sits at the terminal is told the essentials.
 */
export async function serveCoordinator(options: CoordinatorOptions, terminal: Terminal): Promise<never> {
  const entries = {
    workerEntry: packagePath('dist/worker/main.js'),
    referenceEntry: packagePath('dist/worker/reference/main.js'),
  };
  // Runs are told where their files are, and processes of other folders read that.
  const stateDir = resolve(options.stateDir);
  const program = {
    ...options,
    stateDir,
    paths: sharedPaths(options.sharedRoots),
    makeLauncher: (coordinatorAddress: string) =>
      new ProcessLauncher({ ...entries, coordinatorAddress, stateDir }),
    log: createLogger('coordinator'),
  };
  const say = terminal.out.interactive ? terminal.out.line : () => undefined;
  await runCoordinator(program, {
    prepare: () => setUpTensorFlow({ check: false, log: terminal.err.line }),
    onReady: (coordinator) => describe(coordinator, options).forEach((line) => say(line)),
    onStopping: () =>
      say('stopping: runs under way are saved, and go on when it is started again (once more to kill it)'),
  });
  // A connection whose other end is gone without a word would keep the process for minutes.
  process.exit(ExitCode.done);
}

function describe(
  { address, tokenAddress, page }: Coordinator,
  { security }: Pick<CoordinatorOptions, 'security'>,
): string[] {
  const place = address === DEFAULT_COORDINATOR_ADDRESS ? '' : ` --coordinator ${address}`;
  const named = security === null ? place : `${place} --tls-ca FILE --tls-cert FILE --tls-key FILE`;
  return [
    `listening at ${address}`,
    ...(tokenAddress === null ? [] : [`listening for people with tokens at https://${tokenAddress}`]),
    page === null
      ? 'no live page: other machines would see it, and it has no token; see --page-token-file'
      : `live page at http://${page.address}/${page.needsToken ? ', for whoever has its token' : ''}`,
    `submit a run: prospect submit RUN.yaml${named}`,
    'Ctrl-C stops it: runs under way are saved, and go on when it is started again',
  ];
}
