import { Command } from 'commander';
import { writeFileAtomically } from '../atomic-file.js';
import type { Terminal } from '../output/terminal.js';
import { pictureOption, requirePicture } from './picture-option.js';

export function plotValueFunctionsCommand(terminal: Terminal): Command {
  return new Command('value-functions')
    .description('draw the value that people get from an outcome, as KTO, DPO and PPO-Clip imply it')
    .addOption(pictureOption())
    .addHelpText('after', help)
    .action(async (_, command: Command) => {
      // `plot` has the option too, and commander gives it to the first that knows it.
      const { file, format } = requirePicture(command.optsWithGlobals<{ readonly out?: string }>().out);
      // Loaded where it is used: a drawing library is slow to load, and native.
      const { render } = await import('../../plot/render.js');
      const { valueFunctionsChart } = await import('../../plot/value-functions.js');
      await writeFileAtomically(file, await render(valueFunctionsChart(), format));
      terminal.err.line(`picture: ${file}`);
    });
}

const help = `
The curves come from the functions that train, over the reward relative to the reference point, beside the value function
that Tversky and Kahneman found in people (1992).

Example:
  prospect plot value-functions --out value-functions.png`;
