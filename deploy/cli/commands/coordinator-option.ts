import { InvalidArgumentError, Option, type Command } from 'commander';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import { DEFAULT_COORDINATOR_ADDRESS } from '../coordinator-address.js';
import type { ReleasePlace } from '../kubernetes/release.js';
import { credentialsOf, identityOf, type Access } from '../remote/access.js';
import { COORDINATOR_VARIABLE, requireAddress, type CoordinatorAddress } from '../remote/coordinator.js';
import { parsePath } from './path-argument.js';

type Options = Omit<Access, 'https'> & {
  readonly coordinator: string;
  readonly release?: string;
  readonly namespace?: string;
  readonly context?: string;
};

const HTTPS = 'https://';

/** Adds the options that say which coordinator a command asks, and how it is known there. */
export function addCoordinatorOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--coordinator <host:port>', 'the coordinator to ask; https://host:port for TLS')
        .env(COORDINATOR_VARIABLE)
        .default(DEFAULT_COORDINATOR_ADDRESS)
        .argParser(parseAddress),
    )
    .option('--release <name>', 'the one of this Helm release, through the Kubernetes API')
    .option('--namespace <name>', "where the release is (default: the context's)")
    .option('--context <name>', 'of the kubeconfig (default: the current one)')
    .addOption(
      fileOption(
        '--tls-ca',
        'PROSPECT_TLS_CA',
        "authorities that the coordinator's certificate may come from",
      ),
    )
    .addOption(fileOption('--tls-cert', 'PROSPECT_TLS_CERT', 'your certificate, where you have one'))
    .addOption(fileOption('--tls-key', 'PROSPECT_TLS_KEY', 'its key'))
    .option('--token-file <file>', 'holds your token (default: PROSPECT_TOKEN)', parsePath);
}

/** @param command that has the options, parsed. @throws ConfigError where they do not go together */
export function coordinatorOf(command: Command): CoordinatorAddress {
  const { coordinator, tlsCa, tlsCert, tlsKey, tokenFile } = command.opts<Options>();
  const access = { tlsCa, tlsCert, tlsKey, tokenFile };
  const flag = flagsOf(command);
  const release = releaseOf(command, access);
  if (release !== null) return { address: coordinator, flag, release };
  const https = coordinator.startsWith(HTTPS);
  return {
    address: https ? coordinator.slice(HTTPS.length) : coordinator,
    flag,
    credentials: credentialsOf({ ...access, https }, process.env),
  };
}

function releaseOf(command: Command, access: Omit<Access, 'https'>): ReleasePlace | null {
  const { release, namespace = null, context = null } = command.opts<Options>();
  if (release !== undefined) {
    if (command.getOptionValueSource('coordinator') === 'cli')
      throw new ConfigError('--release and --coordinator name two coordinators: give one of them');
    return { release, namespace, context, identity: identityOf(access, process.env) };
  }
  const needless = namespace === null ? (context === null ? null : '--context') : '--namespace';
  if (needless === null) return null;
  throw new ConfigError(`${needless} is of --release, which is missing`);
}

function fileOption(flag: string, variable: string, description: string): Option {
  return new Option(`${flag} <file>`, description).env(variable).argParser(parsePath);
}

/** What of the options was given on the command line, a space before each. */
function flagsOf(command: Command): string {
  const names = {
    coordinator: '--coordinator',
    release: '--release',
    namespace: '--namespace',
    context: '--context',
    tlsCa: '--tls-ca',
    tlsCert: '--tls-cert',
    tlsKey: '--tls-key',
    tokenFile: '--token-file',
  };
  const options = command.opts<Record<string, unknown>>();
  return Object.entries(names)
    .filter(([name]) => command.getOptionValueSource(name) === 'cli')
    .map(([name, flag]) => ` ${flag} ${String(options[name])}`)
    .join('');
}

function parseAddress(text: string): string {
  try {
    requireAddress(text.startsWith(HTTPS) ? text.slice(HTTPS.length) : text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
