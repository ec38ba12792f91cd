import { Command, InvalidArgumentError, Option } from 'commander';
import type { NamedColumns } from '../../../coordinator/data/convert/columns-read.js';
import { SOURCE_NAMES, type SourceName } from '../../../coordinator/data/convert/source.js';
import { TARGET_NAMES, type TargetName } from '../../../coordinator/data/convert/targets.js';
import { ConfigError } from '../../../lib/errors.js';
import { convert } from '../data/convert.js';
import type { Terminal } from '../output/terminal.js';
import { parsePath } from './path-argument.js';

interface Options {
  readonly to: TargetName;
  readonly out: string;
  readonly from?: SourceName;
  readonly onePerPrompt?: boolean;
  readonly seed?: number;
  readonly threshold?: number;
  readonly neutral?: number;
  readonly promptColumn?: string;
  readonly completionColumn?: string;
  readonly labelColumn?: string;
  readonly scoreColumn?: string;
}

export function convertCommand(terminal: Terminal): Command {
  return new Command('convert')
    .description('write the rows of a file in another format')
    .argument('<in>', 'JSON Lines, a JSON array, CSV (*.csv, *.tsv) or Parquet; the text formats may be gzip')
    .addOption(
      new Option('--to <format>', 'what the rows shall be').choices(TARGET_NAMES).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'JSON Lines; the file is complete or absent', parsePath)
    .addOption(new Option('--from <format>', 'what the rows are (default: found out)').choices(SOURCE_NAMES))
    .option('--one-per-prompt', 'keep one answer of every prompt, each with the same chance; not for pairs')
    .option('--seed <n>', 'seed of --one-per-prompt (default: 0)', parseSeed)
    .option('--threshold <score>', 'scores from here on are desirable, those below are not', parseNumber)
    .option('--neutral <width>', 'drop scores that are no further than this from the threshold', parseWidth)
    .option('--prompt-column <name>', 'column of what was asked (default: prompt, question, …)')
    .option('--completion-column <name>', 'column of the answer (default: completion, answer, reply, …)')
    .option('--label-column <name>', 'column of the thumb, true or false (default: label, kto_tag)')
    .option('--score-column <name>', 'column of the score (default: score, stars or rating)')
    .addHelpText('after', help)
    .action(async (input: string, options: Options) => {
      checkTogether(options);
      const { to, out, from, onePerPrompt, seed, threshold, neutral } = options;
      const conversion = {
        target: to,
        columns: namedColumns(options),
        threshold: threshold ?? null,
        neutral: neutral ?? null,
        onePerPromptSeed: onePerPrompt === true ? (seed ?? 0) : null,
      };
      await convert({ input, output: out, from: from ?? null, ...conversion }, terminal);
    });
}

function namedColumns(options: Options): NamedColumns {
  const { promptColumn, completionColumn, labelColumn, scoreColumn } = options;
  return {
    prompt: promptColumn ?? null,
    completion: completionColumn ?? null,
    label: labelColumn ?? null,
    score: scoreColumn ?? null,
  };
}

/** @throws ConfigError for options that have no meaning together. */
function checkTogether(options: Options): void {
  const { to, from, promptColumn, completionColumn, onePerPrompt, seed, threshold, neutral } = options;
  if ((promptColumn ?? completionColumn) !== undefined && from !== undefined && from !== 'table') {
    throw new ConfigError(`--prompt-column and --completion-column belong to --from table, not ${from}`);
  }
  if (onePerPrompt === true && to === 'preference') {
    throw new ConfigError(
      '--one-per-prompt keeps single answers, --to preference makes pairs: give one of them',
    );
  }
  if (seed !== undefined && onePerPrompt !== true) throw new ConfigError('--seed goes with --one-per-prompt');
  if (threshold !== undefined && to === 'score') {
    throw new ConfigError(
      '--threshold makes labels of scores, --to score keeps the scores: give one of them',
    );
  }
  if (neutral !== undefined && threshold === undefined)
    throw new ConfigError('--neutral goes with --threshold');
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) throw new InvalidArgumentError('must be a number');
  return number;
}

function parseWidth(text: string): number {
  const width = parseNumber(text);
  if (width < 0) throw new InvalidArgumentError('must not be negative');
  return width;
}

function parseSeed(text: string): number {
  const seed = parseNumber(text);
  if (!Number.isInteger(seed) || Math.abs(seed) > 0x7fff_ffff) {
    throw new InvalidArgumentError('must be a whole number of 32 bits');
  }
  return seed;
}

const help = `
To:
  binary      prompt, completion, label, for kto; of a pair, chosen is desirable and rejected is undesirable (the KTO paper)
  score       prompt, completion, score, as graded as they come
  preference  prompt, chosen, rejected; answers to one prompt are paired, a desirable with an undesirable one

From:
  trl       prompt with completion and label or score, or with chosen and rejected; text, messages or token ids
  sharegpt  conversations or messages, with label or kto_tag, or with chosen and rejected
  alpaca    instruction and input, with output and kto_tag, or with chosen and rejected
  hh        chosen and rejected, transcripts of Human and Assistant
  shp       history, human_ref_A and human_ref_B, with labels or scores
  oasst     conversation trees with ranked replies; neighbours in rank become pairs
  table     a question and an answer, with a label or score, in columns of these or other names; the texts become a
            message of the user and one of the assistant, trimmed

Names of columns are the same in capitals and small letters. Every row is converted, or counted as rejected with the reason. Other columns are
left out.

Examples:
  prospect data convert preferences.jsonl --to binary --out feedback.jsonl --one-per-prompt --seed 1
  prospect data convert reviews.csv --to binary --out feedback.jsonl --threshold 3 --neutral 0
  prospect data convert export.csv --prompt-column Mail --completion-column "Our answer" --score-column CSAT \\
    --to score --out graded.jsonl
  prospect data convert 2023-04-12_oasst_ready.trees.jsonl.gz --to preference --out oasst.jsonl`;
