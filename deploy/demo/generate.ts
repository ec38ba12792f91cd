import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { allEmails, feedbackRows, fineTuningRows, type Row } from './feedback.js';
import { Random } from './random.js';
import { reviewsCsv } from './reviews.js';
import { makeTokenizer } from './tokenizer.js';

const seed = 20240202;
const counts = { fineTuning: 640, train: 512, heldOut: 128, reviews: 240 } as const;
const mergeCount = 500;

/** All files that ship in `deploy/demo/data/`, by name; the same bytes on every machine. */
export function generateDemoData(): Map<string, string> {
  const random = new Random(seed);
  const emails = allEmails(random);
  const take = (count: number) => emails.splice(0, count);
  const fineTuning = fineTuningRows(take(counts.fineTuning), random);
  const train = feedbackRows(take(counts.train), random);
  const heldOut = feedbackRows(take(counts.heldOut), random);
  const { tokenizer, tokenizerConfig } = makeTokenizer(textsOf([...fineTuning, ...train]), mergeCount);
  return new Map([
    ['sft.jsonl', jsonLines(fineTuning)],
    ['feedback.jsonl', jsonLines(train)],
    ['held-out.jsonl', jsonLines(heldOut)],
    ['reviews.csv', reviewsCsv(train.slice(0, counts.reviews), random)],
    ['tokenizer.json', `${JSON.stringify(tokenizer)}\n`],
    ['tokenizer_config.json', `${JSON.stringify(tokenizerConfig, null, 2)}\n`],
  ]);
}

function textsOf(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => [...row.prompt, ...row.completion].map((message) => message.content));
}

function jsonLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** `node dist/deploy/demo/generate.js DIR` writes the files anew. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = process.argv[2];
  if (directory === undefined) throw new Error('usage: generate.js DIR');
  await mkdir(directory, { recursive: true });
  for (const [name, content] of generateDemoData()) await writeFile(join(directory, name), content);
}
