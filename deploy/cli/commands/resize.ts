import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { resize } from '../remote/resume.js';
import { atLeastOne } from './counts.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly workers: number;
  readonly json?: boolean;
}

export function resizeCommand(terminal: Terminal): Command {
  return runCommand<Options>('resize', '<run>', (run, { workers, json }, coordinator) =>
    resize(run, { workers, json: json === true }, coordinator, terminal),
  )
    .description(
      'change how many workers a run has, while it trains or waits; its result does not depend on it',
    )
    .requiredOption('--workers <n>', 'how many it should have', atLeastOne)
    .option('--json', 'print the run as one JSON object')
    .addHelpText('after', help);
}

const help = `
Examples:
  prospect resize ab12 --workers 4`;
