import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, RunError } from '../../../lib/errors.js';

const number = z.number().nullable();

/** A line of evaluations.jsonl: docs/operations.md says what the figures are. */
const Evaluation = z.object({
  step: z.int().nonnegative(),
  stage: z.int().positive(),
  method: z.string(),
  rows: z.int().positive(),
  eval_loss: number,
  eval_kl: number,
  'eval_rewards/chosen': number,
  'eval_rewards/rejected': number,
  'eval_rewards/accuracies': number,
  'eval_accuracy/chosen': number,
  'eval_accuracy/rejected': number,
  'eval_logps_per_token/chosen': number,
  'eval_logps_per_token/rejected': number,
});
export type Evaluation = z.infer<typeof Evaluation>;

/** Held-out rows as a stage found them and as it left them. */
export interface BeforeAfter {
  readonly before: Evaluation;
  readonly after: Evaluation;
}

/** The first and the last judgement of a stage's held-out rows; null where it has none. @throws RunError for a bad file */
export async function evaluationsOf(outputDir: string, stage: number): Promise<BeforeAfter | null> {
  const file = join(outputDir, 'evaluations.jsonl');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new RunError(`cannot read ${file}: ${messageOf(error)}`);
  }
  const lines = text.split('\n').filter((line) => line !== '');
  const rows = lines.map((line, index) => parseEvaluation(line, `${file}:${index + 1}`));
  const own = rows.filter((row) => row.stage === stage);
  const [before, after] = [own[0], own.at(-1)];
  return before === undefined || after === undefined ? null : { before, after };
}

/** @param where of the line, for a message. @throws RunError for what is no judgement of held-out rows */
export function parseEvaluation(line: string, where: string): Evaluation {
  try {
    return Evaluation.loose().parse(JSON.parse(line));
  } catch (error) {
    throw new RunError(`${where}: cannot be read: ${messageOf(error)}`);
  }
}
