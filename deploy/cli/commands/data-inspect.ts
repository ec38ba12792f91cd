import { Command } from 'commander';
import { inspect } from '../data/inspect.js';
import type { Terminal } from '../output/terminal.js';
import { defaultMaxLength } from '../score.js';
import { atLeastOne, atLeastTwo } from './counts.js';

interface Options {
  readonly model: string;
  readonly maxLength: number;
  readonly maxPromptLength?: number;
}

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('print what a file holds, as training sees it')
    .argument('<file>', 'rows as for training')
    .requiredOption('--model <dir>', 'Hugging Face directory, for its tokenizer and chat template')
    .option('--max-length <tokens>', 'tokens of prompt and completion', atLeastTwo, defaultMaxLength)
    .option(
      '--max-prompt-length <tokens>',
      'tokens of the prompt (default: half of --max-length)',
      atLeastOne,
    )
    .addHelpText('after', help)
    .action(async (file: string, { model, maxLength, maxPromptLength }: Options) => {
      const limits = { maxLength, maxPromptLength: maxPromptLength ?? Math.floor(maxLength / 2) };
      await inspect({ file, model, ...limits }, terminal);
    });
}

const help = `
Prints counts by class, lengths in tokens and how many are cut, duplicates, the weights that balance the classes, and the
first row with the tokens that are trained.

Example:
  prospect data inspect feedback.jsonl --model models/base --max-length 512`;
