import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { renderStatus } from '../remote/render-status.js';
import { readStatus, statusJson } from '../remote/status.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly json?: boolean;
}

export function statusCommand({ out }: Terminal): Command {
  return runCommand<Options>('status', '[run]', async (run, { json }, coordinator) => {
    const status = await readStatus(run, coordinator);
    if (json === true) out.line(JSON.stringify(statusJson(status)));
    else {
      const context = { nowMs: Date.now(), flag: coordinator.flag, style: out.style };
      for (const line of renderStatus(status, context)) out.line(line);
    }
  })
    .description(
      'say how a run is: state, steps, workers, metrics, checkpoint, and what a diagnosis has found',
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', help);
}

const help = `
Examples:
  prospect status
  prospect status ab12
  prospect status kto --json | jq -r .state`;
