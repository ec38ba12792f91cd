import { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { convertCommand } from './data-convert.js';
import { inspectCommand } from './data-inspect.js';

export function dataCommand(terminal: Terminal): Command {
  return new Command('data')
    .description('convert feedback from one format to another, and look at what is in it')
    .addCommand(convertCommand(terminal))
    .addCommand(inspectCommand(terminal));
}
