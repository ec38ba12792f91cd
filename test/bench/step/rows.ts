import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Example } from '../../../coordinator/data/example.js';
import { loadExamples } from '../../../coordinator/data/load.js';
import { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { pairMismatched } from '../../../coordinator/plan/pairing.js';
import { ConfigError } from '../../../lib/errors.js';
import { BATCH_SIZE, type Part } from './part.js';

/** The same rows for both sides. */
export interface BenchRows {
  /** As text: what Prospect trains on. */
  readonly feedback: string;
  /** As token ids, made by Prospect's tokenizer: what PyTorch trains on. */
  readonly tokens: string;
  readonly count: number;
}

/**
 * Writes the first rows of a part's feedback into `directory`, as many as `steps` batches take.
 * @throws ConfigError where there are too few, or where the two sides would pair them otherwise for the KL estimate
 */
export async function writeRows(part: Part, steps: number, directory: string): Promise<BenchRows> {
  const count = steps * BATCH_SIZE;
  const lines = (await readFile(part.feedback, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  if (lines.length < count) {
    throw new ConfigError(`${part.feedback} has ${lines.length} rows; ${steps} steps take ${count}`);
  }
  const feedback = join(directory, 'feedback.jsonl');
  await writeFile(
    feedback,
    lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const { maxLength } = part;
  const limits = { maxLength, maxPromptLength: maxLength / 2, skipBadRows: false };
  const tokenizer = TextTokenizer.load(part.model);
  const { examples } = await loadExamples(feedback, tokenizer, { ...limits, rows: 'labelled' });
  requireRotationByOne(examples, part.feedback);
  const tokens = join(directory, 'token-rows.jsonl');
  await writeFile(tokens, examples.map((example) => `${tokenRow(example)}\n`).join(''));
  return { feedback, tokens, count };
}

/** A line as `token_rows.py` writes it. */
export function tokenRow({ promptIds, completionIds, desirable }: Example): string {
  return JSON.stringify({
    prompt_ids: Array.from(promptIds),
    completion_ids: Array.from(completionIds),
    label: desirable,
  });
}

/** PyTorch's script rotates the completions of a batch by one; Prospect by more where that brings equal prompts together. */
export function requireRotationByOne(
  examples: readonly Pick<Example, 'promptIds' | 'row'>[],
  file: string,
): void {
  pairMismatched(examples, BATCH_SIZE).forEach((donor, index) => {
    const first = index - (index % BATCH_SIZE);
    if (donor === first + ((index - first + BATCH_SIZE - 1) % BATCH_SIZE)) return;
    throw new ConfigError(
      `${file}: rows ${first + 1} to ${first + BATCH_SIZE} have a prompt twice: the two sides would pair them otherwise`,
    );
  });
}
