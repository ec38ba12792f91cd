import { InvalidArgumentError, Option, type Command } from 'commander';
import { messageOf } from '../../../lib/errors.js';
import { DEFAULT_COORDINATOR_ADDRESS } from '../coordinator-address.js';
import { COORDINATOR_VARIABLE, requireAddress, type CoordinatorAddress } from '../remote/coordinator.js';

/** Which coordinator a command asks. */
export function coordinatorOption(): Option {
  return new Option('--coordinator <host:port>', 'the coordinator to ask')
    .env(COORDINATOR_VARIABLE)
    .default(DEFAULT_COORDINATOR_ADDRESS)
    .argParser(parseAddress);
}

/** @param command that has the option, parsed */
export function coordinatorOf(command: Command): CoordinatorAddress {
  const { coordinator } = command.opts<{ coordinator: string }>();
  const isGiven = command.getOptionValueSource('coordinator') === 'cli';
  return { address: coordinator, flag: isGiven ? ` --coordinator ${coordinator}` : '' };
}

function parseAddress(text: string): string {
  try {
    return requireAddress(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
