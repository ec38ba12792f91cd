import { Command } from 'commander';
import { checkCommand } from './commands/check.js';
import { completionCommand } from './commands/completion.js';
import { coordinatorCommand } from './commands/coordinator.js';
import { dataCommand } from './commands/data.js';
import { demoCommand } from './commands/demo.js';
import { exportCommand } from './commands/export.js';
import { generateCommand } from './commands/generate.js';
import { plotCommand } from './commands/plot.js';
import { schemaCommand } from './commands/schema.js';
import { scoreCommand } from './commands/score.js';
import { setupCommand } from './commands/setup.js';
import { trainCommand } from './commands/train.js';
import type { Terminal } from './output/terminal.js';
import { packageVersion } from '../../lib/package.js';

/** The whole command line. Commander throws instead of ending the process, so that one place decides the exit code. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command('prospect')
    .description('Trains language models from human feedback (KTO), on many workers.')
    .version(packageVersion(), '--version', 'print the version')
    .option('--verbose', 'show where an error comes from')
    .addHelpText('after', help)
    .addCommand(checkCommand(terminal))
    .addCommand(trainCommand(terminal))
    .addCommand(coordinatorCommand(terminal))
    .addCommand(scoreCommand(terminal))
    .addCommand(generateCommand(terminal))
    .addCommand(dataCommand(terminal))
    .addCommand(plotCommand(terminal))
    .addCommand(exportCommand(terminal))
    .addCommand(schemaCommand(terminal))
    .addCommand(setupCommand(terminal))
    .addCommand(demoCommand(terminal));
  program.addCommand(completionCommand(program, terminal));
  configure(program, 'prospect', terminal);
  return program;
}

/** A command and all below it. */
function configure(command: Command, path: string, terminal: Terminal): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: terminal.out.write,
      writeErr: terminal.err.write,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError(`(see ${path} --help)`);
  for (const child of command.commands) configure(child, `${path} ${child.name()}`, terminal);
}

const help = `
Exit codes:
  0    done
  1    failed: the message says why, and where there is more
  2    a bad command, run file, model or data: something to change
  130  interrupted (Ctrl-C); no process is left

Environment:
  NO_COLOR        any value turns colours off
  PROSPECT_CACHE  where the native TensorFlow library is kept

Examples:
  prospect demo
  prospect check kto.yaml
  prospect train kto.yaml --out runs/first
  prospect generate --model runs/first/model --prompt "My kettle is broken."
  prospect COMMAND --help`;
