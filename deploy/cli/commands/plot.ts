import { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { plotValueFunctionsCommand } from './plot-value-functions.js';

export function plotCommand(terminal: Terminal): Command {
  return new Command('plot')
    .description('draw what methods do')
    .addCommand(plotValueFunctionsCommand(terminal));
}
