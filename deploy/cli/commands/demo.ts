import { Command } from 'commander';
import { runDemo } from '../../demo/demo.js';
import type { Terminal } from '../output/terminal.js';
import { parsePath } from './path-argument.js';

export function demoCommand(terminal: Terminal): Command {
  return new Command('demo')
    .description('train a tiny model on feedback that ships with the project, and show what changed')
    .option(
      '--out <dir>',
      'where the run goes (default: demo-run, which replaces an earlier demo there)',
      parsePath,
    )
    .addHelpText('after', help)
    .action(async ({ out }: { readonly out?: string }) => {
      await runDemo(out ?? null, terminal);
    });
}

const help = `
Example:
  prospect demo --out runs/demo`;
