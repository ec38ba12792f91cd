import { Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError } from '../../../lib/errors.js';
import { generate, type Reply, type ReplyWatcher } from '../generate.js';
import type { Terminal } from '../output/terminal.js';
import { atLeastOne } from './counts.js';
import { parsePath } from './path-argument.js';

interface Options {
  readonly model: string;
  readonly prompt?: string;
  readonly prompts?: string;
  readonly raw?: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function generateCommand(terminal: Terminal): Command {
  return new Command('generate')
    .description('let a model answer a prompt')
    .requiredOption('--model <dir>', 'Hugging Face directory, or an adapter that names its model', parsePath)
    .addOption(
      new Option(
        '--prompt <text>',
        "a user's message; plain text for a model without a chat template",
      ).argParser(parseText),
    )
    .addOption(
      new Option('--prompts <file>', 'rows with a prompt, text or messages, as for training')
        .argParser(parsePath)
        .conflicts('prompt'),
    )
    .addOption(new Option('--raw', 'take --prompt as it is, without the chat template').conflicts('prompts'))
    .option('--max-tokens <n>', 'longest reply', atLeastOne, 256)
    .option(
      '--temperature <t>',
      'divides the logits; 0 always takes the likeliest token',
      parseTemperature,
      0.7,
    )
    .option('--top-p <p>', 'draw from the likeliest tokens that together reach this share', parseShare, 0.95)
    .option('--seed <n>', 'the same seed gives the same replies', parseSeed, 42)
    .option('--json', 'print one JSON object a prompt')
    .addHelpText('after', help)
    .action(async ({ prompt, prompts, raw, json, ...options }: Options) => {
      const source = sourceOf(prompt, prompts, raw === true);
      const watcher = watcherOf(terminal, { json: json === true, single: prompt !== undefined });
      const { tokens, seconds } = await generate({ ...options, source }, watcher, terminal);
      const { err } = terminal;
      err.line(err.style.dim(`${tokens} tokens, ${(tokens / Math.max(seconds, 1e-3)).toFixed(1)} tokens/s`));
    });
}

function sourceOf(prompt: string | undefined, prompts: string | undefined, raw: boolean) {
  if (prompt !== undefined) return { text: prompt, raw };
  if (prompts !== undefined) return { file: prompts };
  throw new ConfigError('there is nothing to answer: give --prompt TEXT or --prompts FILE');
}

/** A single reply is printed while it comes; of several, each when it is complete. */
function watcherOf(
  { out }: Terminal,
  { json, single }: { readonly json: boolean; readonly single: boolean },
): ReplyWatcher {
  if (json) return { onReply: (reply) => out.line(JSON.stringify(reply)) };
  if (single) return { onText: (_, text) => out.write(text), onReply: () => out.line('') };
  return {
    onReply({ index, prompt, completion }: Reply) {
      if (index > 0) out.line('');
      out.line(out.style.bold(prompt));
      out.line(completion);
    },
  };
}

/** An empty one is an unset shell variable. */
function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('must not be empty');
  return text;
}

function parseNumber(text: string, accepts: (value: number) => boolean, what: string): number {
  const value = Number(text);
  if (text.trim() === '' || !accepts(value)) throw new InvalidArgumentError(`must be ${what}`);
  return value;
}

const parseTemperature = (text: string) =>
  parseNumber(text, (value) => value >= 0 && Number.isFinite(value), 'a number of at least 0');
const parseShare = (text: string) =>
  parseNumber(text, (value) => value > 0 && value <= 1, 'greater than 0 and at most 1');
const parseSeed = (text: string) =>
  parseNumber(
    text,
    (value) => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff,
    'a whole number of 32 bits',
  );

const help = `
The reply is printed while it comes; it ends where the model ends it. How fast it came goes to standard error.

Examples:
  prospect generate --model runs/first/model --prompt "My kettle is broken."
  prospect generate --model runs/first/model --prompts held-out.jsonl --temperature 0 --json > replies.jsonl`;
