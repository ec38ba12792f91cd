import { Command } from 'commander';
import { imageFormatOf } from '../../plot/image-format.js';
import { writeFileAtomically } from '../atomic-file.js';
import type { Terminal } from '../output/terminal.js';

export function plotValueFunctionsCommand(terminal: Terminal): Command {
  return new Command('value-functions')
    .description('draw the value that people get from an outcome, as KTO, DPO and PPO-Clip imply it')
    .requiredOption('--out <file>', 'the picture, *.svg or *.png; the file is complete or absent')
    .addHelpText('after', help)
    .action(async ({ out }: { readonly out: string }) => {
      const format = imageFormatOf(out);
      // Loaded where it is used: a drawing library is slow to load, and native.
      const { render } = await import('../../plot/render.js');
      const { valueFunctionsChart } = await import('../../plot/value-functions.js');
      await writeFileAtomically(out, await render(valueFunctionsChart(), format));
      terminal.err.line(`picture: ${out}`);
    });
}

const help = `
The curves come from the functions that train, over the reward relative to the reference point, beside the value function
that Tversky and Kahneman found in people (1992).

Example:
  prospect plot value-functions --out value-functions.png`;
