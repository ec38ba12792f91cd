import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { resume } from '../remote/resume.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly json?: boolean;
}

export function resumeCommand(terminal: Terminal): Command {
  return runCommand<Options>('resume', '<run>', (run, { json }, coordinator) =>
    resume(run, { json: json === true }, coordinator, terminal),
  )
    .description('queue a run again that was cancelled or has failed; it goes on after its last step')
    .option('--json', 'print the run as one JSON object')
    .addHelpText('after', help);
}

const help = `
Examples:
  prospect resume ab12
  prospect resume kto && prospect logs kto -f`;
