import { Command } from 'commander';
import { setUpTensorFlow } from '../../tensorflow/setup.js';
import type { Terminal } from '../output/terminal.js';

export function setupCommand(terminal: Terminal): Command {
  return new Command('setup')
    .description(
      'fetch and build the native TensorFlow library; done by the other commands where it is missing',
    )
    .option('--check', 'also load it, and print its version, the device and its speed')
    .addHelpText('after', help)
    .action(async ({ check }: { readonly check?: boolean }) => {
      await setUpTensorFlow({ check: check === true, log: terminal.out.line });
    });
}

const help = `
Examples:
  prospect setup
  prospect setup --check`;
