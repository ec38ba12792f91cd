import { Argument, Command, Option } from 'commander';
import { ConfigError } from '../../../lib/errors.js';
import { readStageCurves } from '../../plot/run-metrics.js';
import { writeFileAtomically } from '../atomic-file.js';
import type { Terminal } from '../output/terminal.js';
import { atLeastOne } from './counts.js';
import { parsePath } from './path-argument.js';
import { pictureOption, requirePicture } from './picture-option.js';
import { plotValueFunctionsCommand } from './plot-value-functions.js';

interface Options {
  readonly out: string;
  readonly stage?: number;
}

export function plotCommand(terminal: Terminal): Command {
  return new Command('plot')
    .description("draw a run's curves, or what methods do")
    .addArgument(new Argument('[run]', "a run's output directory, or its metrics.jsonl").argParser(parsePath))
    .addOption(pictureOption())
    .addOption(new Option('--stage <n>', 'the stage to draw (default: the last one)').argParser(atLeastOne))
    .addHelpText('after', help)
    .addCommand(plotValueFunctionsCommand(terminal))
    .action(async (run: string | undefined, { out, stage }: Partial<Options>) => {
      if (run === undefined)
        throw new ConfigError("no run was given: give a run's output directory, or see --help");
      const picture = requirePicture(out);
      const curves = readStageCurves(run, stage ?? null);
      // Loaded where it is used: a drawing library is slow to load, and native.
      const { render } = await import('../../plot/render.js');
      const { trainingCurvesChart } = await import('../../plot/training-curves.js');
      await writeFileAtomically(picture.file, await render(trainingCurvesChart(curves), picture.format));
      terminal.err.line(`picture: ${picture.file}`);
    });
}

const help = `
Draws loss, KL, rewards, margin, gradient norm and tokens/s over the steps, also while the run trains.

Examples:
  prospect plot runs/first --out curves.png
  prospect plot runs/first --stage 1 --out sft.svg
  prospect plot value-functions --out value-functions.png`;
