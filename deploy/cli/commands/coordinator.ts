import { Command } from 'commander';
import { DEFAULT_COORDINATOR_ADDRESS } from '../coordinator-address.js';
import type { Terminal } from '../output/terminal.js';
import { atLeastOne } from './counts.js';
import { parsePath } from './path-argument.js';

interface Options {
  readonly stateDir: string;
  readonly listen: string;
  readonly metricsListen: string;
  readonly sharedRoot: readonly string[];
  readonly maxWorkers?: number;
  readonly pageTokenFile?: string;
}

export function coordinatorCommand(terminal: Terminal): Command {
  return new Command('coordinator')
    .description('serve runs that are submitted, one after the other, on this machine, until it is stopped')
    .requiredOption(
      '--state-dir <dir>',
      'where runs, uploads and results are kept; a coordinator that is started on it again goes on',
      parsePath,
    )
    .option('--listen <host:port>', 'where runs are submitted', DEFAULT_COORDINATOR_ADDRESS)
    .option('--metrics-listen <host:port>', 'where the live page and the metrics are', '127.0.0.1:7071')
    .option(
      '--shared-root <dir>',
      'a directory that submitting machines see under the same path: its files are not uploaded; may be given again',
      collect,
      [],
    )
    .option(
      '--max-workers <n>',
      'of all runs together, which then go side by side where they fit (default: one run, with as many as it wants)',
      atLeastOne,
    )
    .option('--page-token-file <file>', 'holds the token that opens the live page', parsePath)
    .addHelpText('after', help)
    .action(async ({ sharedRoot, maxWorkers, pageTokenFile, ...options }: Options) => {
      // It loads native code, which the other commands start without.
      const { serveCoordinator } = await import('../coordinator.js');
      await serveCoordinator(
        {
          ...options,
          sharedRoots: sharedRoot,
          maxWorkers: maxWorkers ?? null,
          pageTokenFile: pageTokenFile ?? null,
        },
        terminal,
      );
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, parsePath(value)];
}

const help = `
What is submitted travels as it is, and nobody has to log in. So it is refused to listen where other machines reach it,
unless PROSPECT_ALLOW_PLAINTEXT=true says that everyone on the network is trusted. The live page then needs a token: the
file's, or PROSPECT_PAGE_TOKEN.

Examples:
  prospect coordinator --state-dir ~/prospect
  prospect coordinator --state-dir /srv/prospect --shared-root /data --max-workers 4`;
