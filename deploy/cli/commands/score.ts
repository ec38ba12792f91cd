import { Command } from 'commander';
import { requireWritable, writeFileAtomically } from '../atomic-file.js';
import type { Terminal } from '../output/terminal.js';
import { defaultMaxLength, score } from '../score.js';
import { atLeastOne, atLeastTwo } from './counts.js';
import { parsePath } from './path-argument.js';

interface Options {
  readonly model: string;
  readonly data: string;
  readonly out?: string;
  readonly maxLength: number;
  readonly maxPromptLength?: number;
  readonly skipBadRows?: boolean;
}

export function scoreCommand(terminal: Terminal): Command {
  return new Command('score')
    .description('print how likely a model finds the completions of a file, one JSON object a row')
    .requiredOption('--model <dir>', 'Hugging Face directory')
    .requiredOption(
      '--data <file>',
      'rows with prompt and completion, as for training; labels are not needed',
    )
    .option('--out <file>', 'write there instead of printing; the file is complete or absent', parsePath)
    .option('--max-length <tokens>', 'tokens of prompt and completion', atLeastTwo, defaultMaxLength)
    .option(
      '--max-prompt-length <tokens>',
      'tokens of the prompt (default: half of --max-length)',
      atLeastOne,
    )
    .option('--skip-bad-rows', 'count rows that cannot be read, and go on without them')
    .addHelpText('after', help)
    .action(async ({ out, maxPromptLength, skipBadRows, ...options }: Options) => {
      if (out !== undefined) await requireWritable(out);
      const lines = await score(
        {
          ...options,
          maxPromptLength: maxPromptLength ?? Math.floor(options.maxLength / 2),
          skipBadRows: skipBadRows === true,
        },
        terminal,
      );
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      if (out === undefined) terminal.out.write(text);
      else await writeFileAtomically(out, text);
    });
}

const help = `
A line is {"index", "logp", "completion_tokens"}: the row, the sum of the log-probs of its completion's tokens in nats,
and how many tokens that are.

Examples:
  prospect score --model runs/first/model --data feedback.jsonl
  prospect score --model runs/first/model --data feedback.jsonl --out scores.jsonl --max-length 512`;
