import { Command } from 'commander';
import type { Terminal } from '../output/terminal.js';
import { train } from '../train.js';
import { collect } from './collect.js';
import { parsePath } from './path-argument.js';

interface Options {
  readonly out: string;
  readonly workers?: string;
  readonly set: readonly string[];
  readonly skipBadRows?: boolean;
  readonly resume?: boolean;
  readonly profile?: boolean;
}

export function trainCommand(terminal: Terminal): Command {
  return new Command('train')
    .description('train on this machine, as a run file says')
    .argument('<run.yaml>', 'the run file')
    .requiredOption('--out <dir>', 'where the model, the metrics and the resolved run file go', parsePath)
    .option('--workers <n>', 'worker processes; the result does not depend on it (same as --set workers=N)')
    .option('--set <key=value>', 'set a key of the run file; may be given again', collect, [])
    .option('--skip-bad-rows', 'count rows that cannot be read, and go on without them')
    .option('--resume', 'go on with the run that --out holds, after its last committed step')
    .option('--profile', 'record where the time of the first steps goes: a table, and profile.json in --out')
    .addHelpText('after', help)
    .action(async (runFile: string, { out, workers, set, skipBadRows, resume, profile }: Options) => {
      const overrides = workers === undefined ? set : [...set, `workers=${workers}`];
      const options = {
        runFile,
        overrides,
        outputDir: out,
        skipBadRows: skipBadRows === true,
        resume: resume === true,
        profile: profile === true,
      };
      const { after } = await train(options, terminal);
      terminal.out.line(`trained model: ${after}`);
    });
}

const help = `
Examples:
  prospect train kto.yaml --out runs/first
  prospect train kto.yaml --out runs/second --workers 2 --set learning_rate=1e-6 --set epochs=2
  prospect train kto.yaml --out runs/first --workers 4 --resume`;
