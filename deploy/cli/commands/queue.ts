import { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { withCoordinator } from '../remote/coordinator.js';
import { listedRuns, printQueue } from '../remote/queue.js';
import { runJson } from '../remote/run-json.js';
import { listRuns } from '../runs/run-client.js';
import { addCoordinatorOptions, coordinatorOf } from './coordinator-option.js';

interface Options {
  readonly all?: boolean;
  readonly json?: boolean;
}

export function queueCommand(terminal: Terminal): Command {
  const command = new Command('queue').description(
    'list the runs of a coordinator: those that go on or wait, and the last that have ended',
  );
  return addCoordinatorOptions(command)
    .option('--all', 'list all that have ended, too')
    .option('--json', 'print one JSON array')
    .addHelpText('after', help)
    .action(async ({ all, json }: Options, command: Command) => {
      const runs = await withCoordinator(coordinatorOf(command), ({ client }) => listRuns(client));
      const listed = listedRuns(runs, { all: all === true });
      if (json === true) terminal.out.line(JSON.stringify(listed.map(runJson)));
      else printQueue(listed, runs.length, Date.now(), terminal);
    });
}

const help = `
Examples:
  prospect queue
  prospect queue --all --json | jq -r '.[] | select(.state == "failed") | .id'`;
