import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { cancel } from '../remote/cancel.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly save?: boolean;
  readonly wait: boolean;
  readonly json?: boolean;
}

export function cancelCommand(terminal: Terminal): Command {
  return runCommand<Options>('cancel', '[run]', (run, { save, wait, json }, coordinator) =>
    cancel(run, { save: save === true, wait, json: json === true }, coordinator, terminal),
  )
    .description('end a run that goes on or waits, and say what is kept')
    .option('--save', 'write a checkpoint of its last step first')
    .option('--no-wait', 'do not wait until it has ended')
    .option('--json', 'print the run as one JSON object')
    .addHelpText('after', help);
}

const help = `
Nothing is lost: prospect resume goes on after its last step, to the same result. With --save, no step is computed twice.

Examples:
  prospect cancel
  prospect cancel ab12 --save`;
