import type { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { printMetrics } from '../remote/metrics.js';
import { runCommand } from './run-command.js';

interface Options {
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function metricsCommand(terminal: Terminal): Command {
  return runCommand<Options>('metrics', '[run]', (run, { follow, json }, coordinator) =>
    printMetrics(run, { follow: follow === true, json: json === true }, coordinator, terminal),
  )
    .description("print the metrics of a run's last 20 steps, or of all")
    .option('-f, --follow', 'go on until the run ends, and end with its exit code')
    .option('--json', 'print all steps, one JSON object a line, as in metrics.jsonl')
    .addHelpText('after', help);
}

const help = `
Examples:
  prospect metrics
  prospect metrics kto -f
  prospect metrics ab12 --json | jq -r '[.step, .loss, .kl] | @tsv'`;
