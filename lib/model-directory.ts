import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Why a directory holds no model, and what to give instead, in one line; null for one that may hold one. */
export function explainNoModel(directory: string): string | null {
  if (isOfARun(directory)) {
    const model = join(directory, 'model');
    return existsSync(model)
      ? `${directory} is the directory of a run: its model is ${model}`
      : notEnded(directory);
  }
  if (existsSync(directory)) return null;
  if (isOfARun(dirname(directory))) return notEnded(dirname(directory));
  return (
    `there is no directory ${directory}: give one of a Hugging Face model ` +
    '("hf download OWNER/NAME --local-dir DIR" fetches one)'
  );
}

/** A run file of that name alone is no run. */
function isOfARun(directory: string): boolean {
  return ['run.yaml', 'metrics.jsonl'].every((name) => existsSync(join(directory, name)));
}

function notEnded(run: string): string {
  return `the run in ${run} has not come to its end, where it writes its model ("prospect train --resume" goes on with it)`;
}
