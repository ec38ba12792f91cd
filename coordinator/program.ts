import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, ExitCode } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { announceReady, exitWithParent } from '../lib/process/lifeline.js';
import { requireProtected } from '../lib/security/plain-text.js';
import { readPageToken } from './page/token.js';
import type { SecurityOptions } from './security/options.js';
import { startCoordinator, type Coordinator, type CoordinatorOptions } from './server.js';
import type { PathPolicy } from './service/path-policy.js';

/** What a coordinator that is a process of its own is started with. */
export interface ProgramOptions extends Pick<
  CoordinatorOptions,
  | 'stateDir'
  | 'storageDir'
  | 'sourcesDir'
  | 'listen'
  | 'metricsListen'
  | 'paths'
  | 'maxWorkers'
  | 'makeLauncher'
  | 'log'
> {
  /** Null for plain text. */
  readonly security: SecurityOptions | null;
  readonly healthListen: string | null;
  /** Null for the environment's PROSPECT_PAGE_TOKEN, if any. */
  readonly pageTokenFile: string | null;
}

/** What whoever starts the program adds to it. */
export interface ProgramHooks {
  /** Awaited once the options are known to be sound, before anything is served. */
  readonly prepare: () => Promise<void>;
  readonly onReady: (coordinator: Coordinator) => void;
  readonly onStopping: () => void;
}

/** How long the end may take where the parent is gone. */
const GRACE_MS = 30_000;

/**
 * Serves until SIGTERM, SIGINT or the end of the parent: then it has checkpoints of the runs under way written, stops its
 * children and closes the journal. Started again on the same state, it goes on with the runs. A second signal ends it at
 * once, as if it were killed.
 *
 * @throws ConfigError or RunError where it cannot start
 */
export async function runCoordinator(
  options: ProgramOptions,
  hooks: Partial<ProgramHooks> = {},
): Promise<void> {
  const { log, listen } = options;
  if (options.security === null) requireProtected('--listen', listen, process.env);
  const pageToken = readPageToken(options.pageTokenFile, process.env, log);
  await hooks.prepare?.();
  const coordinator = await startCoordinator({
    ...options,
    pageToken,
    onFatal: (error) => {
      log.fatal({ err: error }, 'the journal cannot be written');
      process.exit(ExitCode.failed);
    },
  });
  const stopped = stopOnSignals(coordinator, log, hooks.onStopping);
  const { address, tokenAddress, healthAddress, metricsAddress } = coordinator;
  log.info({ address, tokenAddress, healthAddress, metricsAddress }, 'coordinator is ready');
  announceReady({ address, ...(metricsAddress === null ? {} : { metricsAddress }) });
  hooks.onReady?.(coordinator);
  await stopped;
}

/** The policy for directories that a command line names. @throws ConfigError for what is none */
export function sharedPaths(roots: readonly string[]): PathPolicy {
  for (const root of roots) {
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new ConfigError(`--shared-root ${root} is not a directory`);
  }
  return { kind: 'shared', roots: roots.map((root) => resolve(root)) };
}

/** Resolves once a signal has stopped the coordinator; rejects where it cannot stop in order. */
function stopOnSignals(coordinator: Coordinator, log: Logger, onStopping?: () => void): Promise<void> {
  exitWithParent(() => coordinator.stop('the process that started the coordinator is gone'), {
    graceMs: GRACE_MS,
  });
  return new Promise((resolve, reject) => {
    let isStopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (isStopping) process.exit(ExitCode.failed);
      isStopping = true;
      log.info(
        { signal },
        'stopping: runs under way are saved, and go on when the coordinator is started again',
      );
      onStopping?.();
      coordinator.stop(`the coordinator was stopped by ${signal}`).then(resolve, reject);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
  });
}
