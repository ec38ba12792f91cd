import { Command } from 'commander';
import type { RunConfig } from '../../../lib/config/types.js';
import { ConfigError } from '../../../lib/errors.js';
import { checkRun } from '../check/check.js';
import { renderReport } from '../check/render.js';
import type { Terminal } from '../output/terminal.js';
import { collect } from './collect.js';

interface Options {
  readonly set: readonly string[];
  readonly json?: boolean;
}

export function checkCommand({ out, err }: Terminal): Command {
  return new Command('check')
    .description('say all that can be known of a run before it trains, and everything that is wrong with it')
    .argument('<run.yaml>', 'the run file')
    .option('--set <key=value>', 'set a key of the run file; may be given again', collect, [])
    .option('--json', 'print one JSON object')
    .addHelpText('after', help)
    .action(async (runFile: string, { set, json }: Options) => {
      const fetch = async (run: RunConfig) => {
        // Its lock is native code, which the command starts without.
        const { fetchHere } = await import('../sources.js');
        return fetchHere(run, err);
      };
      const report = await checkRun({ runFile, overrides: set, skipBadRows: false, trainsHere: true, fetch });
      const { problems, warnings } = report;
      if (json === true) out.line(JSON.stringify(report));
      else if (report.stages.length > 0) out.line(renderReport(report, out.style));
      for (const warning of warnings) err.line(`${err.style.yellow('warning:')} ${warning}`);
      if (problems.length > 0) throw new ConfigError(problems.join('\n'));
      if (json !== true) out.line(`\n${runFile} is sound`);
    });
}

const help = `
Reads the run file, the model's config and the shapes of its tensors, the tokenizer, and every row of data, as training
does; no weight is read and nothing is written. Models and data that the run file names as hf: or s3:// are fetched into the
user's cache first. Prints rows, classes and token lengths, the steps, the memory that a worker
and the reference need, the bytes on the wire, and the first row with the tokens that are trained. Everything that is wrong
is printed with file and line, and the exit code is 2.

Examples:
  prospect check kto.yaml
  prospect check kto.yaml --set max_length=512 --set workers=4
  prospect check kto.yaml --json | jq '.stages[0].workerMemory'`;
