import { Command } from 'commander';
import { demoCommand } from './commands/demo.js';
import { scoreCommand } from './commands/score.js';
import { setupCommand } from './commands/setup.js';
import { trainCommand } from './commands/train.js';
import type { Terminal } from './output/terminal.js';
import { packageVersion } from './package.js';

/** The whole command line. Commander throws instead of ending the process, so that one place decides the exit code. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command('prospect')
    .description('Trains language models from human feedback (KTO), on many workers.')
    .version(packageVersion(), '--version', 'print the version')
    .option('--verbose', 'show where an error comes from')
    .addHelpText('after', help)
    .addCommand(trainCommand(terminal))
    .addCommand(scoreCommand(terminal))
    .addCommand(setupCommand(terminal))
    .addCommand(demoCommand(terminal));
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: terminal.out.write,
      writeErr: terminal.err.write,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
    command.showHelpAfterError(`(see prospect ${command === program ? '' : `${command.name()} `}--help)`);
  }
  return program;
}

const help = `
Exit codes: 0 done, 1 failed, 2 bad configuration or data, 130 interrupted.

Examples:
  prospect demo
  prospect train kto.yaml --out runs/first
  prospect score --model runs/first/model --data feedback.jsonl`;
