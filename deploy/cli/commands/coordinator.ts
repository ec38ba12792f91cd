import { Command } from 'commander';
import { readSecurity } from '../../../coordinator/security/options.js';
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
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly identityDomain?: string;
  readonly tokenListen?: string;
  readonly tokens?: string;
  readonly healthListen?: string;
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
    .option('--tls-ca <file>', 'authorities that certificates of clients must come from', parsePath)
    .option('--tls-cert <file>', "the coordinator's certificate", parsePath)
    .option('--tls-key <file>', 'its key', parsePath)
    .option('--identity-domain <name>', 'who has a certificate of submit.NAME may submit, of read.NAME look')
    .option('--token-listen <host:port>', 'where people come in by a token, without a certificate')
    .option('--tokens <file>', 'the hashes of their tokens, with their roles', parsePath)
    .option('--health-listen <host:port>', 'answers gRPC health checks in plain text, and nothing else')
    .addHelpText('after', help)
    .action(async (given: Options) => {
      const { sharedRoot, maxWorkers, pageTokenFile, healthListen, stateDir, listen, metricsListen } = given;
      // It loads native code, which the other commands start without.
      const { serveCoordinator } = await import('../coordinator.js');
      await serveCoordinator(
        {
          stateDir,
          listen,
          metricsListen,
          sharedRoots: sharedRoot,
          maxWorkers: maxWorkers ?? null,
          pageTokenFile: pageTokenFile ?? null,
          security: securityOf(given),
          healthListen: healthListen ?? null,
        },
        terminal,
      );
    });
}

function securityOf(given: Options) {
  const { tlsCa, tlsCert, tlsKey, identityDomain, tokenListen, tokens } = given;
  const flags = {
    'tls-ca': tlsCa,
    'tls-cert': tlsCert,
    'tls-key': tlsKey,
    'identity-domain': identityDomain,
    'token-listen': tokenListen,
    tokens,
  };
  return readSecurity(flags, { localWorkers: true });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, parsePath(value)];
}

const help = `
Without --tls-cert, what is submitted travels as it is, and nobody has to log in. So it is refused to listen where other
machines reach it, unless PROSPECT_ALLOW_PLAINTEXT=true says that everyone on the network is trusted. The live page then needs a token: the
file's, or PROSPECT_PAGE_TOKEN.

Examples:
  prospect coordinator --state-dir ~/prospect
  prospect coordinator --state-dir /srv/prospect --shared-root /data --max-workers 4
  prospect coordinator --state-dir /srv/prospect --listen 0.0.0.0:7070 --tls-ca ca.crt --tls-cert tls.crt \\
    --tls-key tls.key --identity-domain trainer.example.com`;
