import { Command } from 'commander';
import { ConfigError } from '../../../lib/errors.js';
import { inspect } from '../data/inspect.js';
import { inspectColumns } from '../data/inspect-columns.js';
import type { Terminal } from '../output/terminal.js';
import { defaultMaxLength } from '../score.js';
import { atLeastOne, atLeastTwo } from './counts.js';

interface Options {
  readonly model?: string;
  readonly maxLength?: number;
  readonly maxPromptLength?: number;
}

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .description('print what a file holds: its columns, or, with --model, its rows as training sees them')
    .argument('<file>', 'rows as for training; without --model, of any format that convert reads')
    .option('--model <dir>', 'Hugging Face directory, for its tokenizer and chat template')
    .option(
      '--max-length <tokens>',
      `tokens of prompt and completion (default: ${defaultMaxLength})`,
      atLeastTwo,
    )
    .option(
      '--max-prompt-length <tokens>',
      'tokens of the prompt (default: half of --max-length)',
      atLeastOne,
    )
    .addHelpText('after', help)
    .action(async (file: string, { model, maxLength, maxPromptLength }: Options) => {
      if (model !== undefined) {
        const length = maxLength ?? defaultMaxLength;
        const limits = { maxLength: length, maxPromptLength: maxPromptLength ?? Math.floor(length / 2) };
        await inspect({ file, model, ...limits }, terminal);
        return;
      }
      if ((maxLength ?? maxPromptLength) !== undefined) {
        throw new ConfigError('--max-length and --max-prompt-length count tokens of a model: give --model');
      }
      await inspectColumns(file, terminal);
    });
}

const help = `
Without --model, prints the columns with their values, what "prospect data convert" takes them for, and the command that
makes rows for training of them.
With --model, prints counts by class, lengths in tokens and how many are cut, duplicates, the weights that balance the
classes, and the first row with the tokens that are trained.

Examples:
  prospect data inspect reviews.csv
  prospect data inspect feedback.jsonl --model models/base --max-length 512`;
