import { loadExamples } from '../../coordinator/data/load.js';
import { TextTokenizer } from '../../coordinator/data/tokenizer.js';
import { ConfigError } from '../../lib/errors.js';
import { DEFAULTS } from '../../lib/config/resolve.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import type { Terminal } from './output/terminal.js';
import { warnOfRows } from './data-report.js';
import { withInference } from './inference/session.js';
import { joinSequence } from './sequence.js';

export const defaultMaxLength = DEFAULTS.maxLength;

export interface ScoreOptions {
  /** Hugging Face directory. */
  readonly model: string;
  readonly data: string;
  readonly maxLength: number;
  readonly maxPromptLength: number;
  readonly skipBadRows: boolean;
}

export interface ScoredRow {
  /** Row of the file, from 0, blank lines not counted. */
  readonly index: number;
  /** Sum of the log-probs of the completion's tokens, in nats. */
  readonly logp: number;
  readonly completion_tokens: number;
}

/** `prospect score`: the log-probs of all completions of a file, by the data rules of training. */
export async function score(options: ScoreOptions, { err }: Terminal): Promise<ScoredRow[]> {
  const { model, data, maxLength, maxPromptLength, skipBadRows } = options;
  if (maxPromptLength >= maxLength) {
    throw new ConfigError(
      `--max-prompt-length ${maxPromptLength} must be less than --max-length ${maxLength}`,
    );
  }
  const tokenizer = TextTokenizer.load(model);
  const loading = { maxLength, maxPromptLength, skipBadRows, rows: 'any' } as const;
  const { examples, report } = await loadExamples(data, tokenizer, loading);
  warnOfRows(data, report, options, err);
  await setUpTensorFlow({ check: false, log: err.line });
  const sequences = examples.map(joinSequence);
  const logps = await withInference((inference) => inference('score', { modelDir: model, sequences }));
  return examples.map(({ row, completionIds }, i) => ({
    index: row,
    logp: logps[i]!,
    completion_tokens: completionIds.length,
  }));
}
