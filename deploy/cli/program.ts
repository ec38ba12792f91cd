import { Command } from 'commander';
import { cancelCommand } from './commands/cancel.js';
import { checkCommand } from './commands/check.js';
import { completionCommand } from './commands/completion.js';
import { coordinatorCommand } from './commands/coordinator.js';
import { dataCommand } from './commands/data.js';
import { demoCommand } from './commands/demo.js';
import { exportCommand } from './commands/export.js';
import { generateCommand } from './commands/generate.js';
import { logsCommand } from './commands/logs.js';
import { metricsCommand } from './commands/metrics.js';
import { plotCommand } from './commands/plot.js';
import { queueCommand } from './commands/queue.js';
import { resizeCommand } from './commands/resize.js';
import { resumeCommand } from './commands/resume.js';
import { schemaCommand } from './commands/schema.js';
import { scoreCommand } from './commands/score.js';
import { setupCommand } from './commands/setup.js';
import { statusCommand } from './commands/status.js';
import { submitCommand } from './commands/submit.js';
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
    .addCommand(submitCommand(terminal))
    .addCommand(queueCommand(terminal))
    .addCommand(statusCommand(terminal))
    .addCommand(logsCommand(terminal))
    .addCommand(metricsCommand(terminal))
    .addCommand(cancelCommand(terminal))
    .addCommand(resumeCommand(terminal))
    .addCommand(resizeCommand(terminal))
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
  130  interrupted (Ctrl-C), and no process of this command is left; or the run was cancelled
  A command that follows a run ends with the run's own exit code.

Environment:
  NO_COLOR              any value turns colours off
  PROSPECT_CACHE        where the native TensorFlow library is kept
  PROSPECT_COORDINATOR  host:port of the coordinator to ask (default: 127.0.0.1:7070); https://host:port for TLS
  PROSPECT_TOKEN        your token there, which is sent over TLS only
  PROSPECT_TLS_CA       as --tls-ca; PROSPECT_TLS_CERT and PROSPECT_TLS_KEY likewise

Examples:
  prospect demo
  prospect check kto.yaml
  prospect train kto.yaml --out runs/first
  prospect submit kto.yaml
  prospect logs -f
  prospect generate --model runs/first/model --prompt "My kettle is broken."
  prospect COMMAND --help`;
