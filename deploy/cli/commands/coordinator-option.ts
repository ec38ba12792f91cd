import { InvalidArgumentError, Option, type Command } from 'commander';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import { DEFAULT_COORDINATOR_ADDRESS } from '../coordinator-address.js';
import type { ReleasePlace } from '../kubernetes/release.js';
import { COORDINATOR_VARIABLE, requireAddress, type CoordinatorAddress } from '../remote/coordinator.js';

interface Options {
  readonly coordinator: string;
  readonly release?: string;
  readonly namespace?: string;
  readonly context?: string;
}

/** Adds the options that say which coordinator a command asks. */
export function addCoordinatorOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--coordinator <host:port>', 'the coordinator to ask')
        .env(COORDINATOR_VARIABLE)
        .default(DEFAULT_COORDINATOR_ADDRESS)
        .argParser(parseAddress),
    )
    .option('--release <name>', 'the one of this Helm release, through the Kubernetes API')
    .option('--namespace <name>', "where the release is (default: the context's)")
    .option('--context <name>', 'of the kubeconfig (default: the current one)');
}

/** @param command that has the options, parsed. @throws ConfigError where they do not go together */
export function coordinatorOf(command: Command): CoordinatorAddress {
  const { coordinator } = command.opts<Options>();
  return { address: coordinator, flag: flagsOf(command), release: releaseOf(command) };
}

function releaseOf(command: Command): ReleasePlace | null {
  const { release, namespace = null, context = null } = command.opts<Options>();
  if (release !== undefined) {
    if (command.getOptionValueSource('coordinator') !== 'cli') return { release, namespace, context };
    throw new ConfigError('--release and --coordinator name two coordinators: give one of them');
  }
  const needless = namespace === null ? (context === null ? null : '--context') : '--namespace';
  if (needless === null) return null;
  throw new ConfigError(`${needless} is of --release, which is missing`);
}

/** What of the options was given on the command line, a space before each. */
function flagsOf(command: Command): string {
  const options = command.opts<Options>();
  return (['coordinator', 'release', 'namespace', 'context'] as const)
    .filter((name) => command.getOptionValueSource(name) === 'cli')
    .map((name) => ` --${name} ${options[name] ?? ''}`)
    .join('');
}

function parseAddress(text: string): string {
  try {
    return requireAddress(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
