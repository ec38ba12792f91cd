import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { printStory } from '../remote/logs.js';
import { printProcessLog } from '../remote/process-log.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly follow?: boolean;
  readonly of?: string;
  readonly json?: boolean;
}

export function logsCommand(terminal: Terminal): Command {
  return runCommand<Options>('logs', '[run]', async (run, { follow, of, json }, coordinator) => {
    const mode = { follow: follow === true, json: json === true };
    if (of === undefined) await printStory(run, mode, coordinator, terminal);
    else await printProcessLog(run, of, mode, coordinator, terminal);
  })
    .description('tell what happened to a run, or print what one of its processes has logged')
    .option('-f, --follow', 'go on until the run ends, and end with its exit code')
    .option('--of <process>', 'print the log of worker-0, reference-1 or another process')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', help);
}

const help = `
One line for each event, with its time; for the steps, one every two seconds. Runs that have ended keep their logs.

Examples:
  prospect logs
  prospect logs run-ab12cd34 -f
  prospect logs ab12 --of worker-0
  prospect logs kto --json | jq -c 'select(.kind == "checkpoint")'`;
