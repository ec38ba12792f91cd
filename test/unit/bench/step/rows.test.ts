import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../../../../lib/errors.js';
import type { Part } from '../../../bench/step/part.js';
import { requireRotationByOne, writeRows } from '../../../bench/step/rows.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

async function partOf(directory: string, rows: readonly unknown[]): Promise<Part> {
  const feedback = join(directory, 'given.jsonl');
  await writeFile(feedback, rows.map((row) => `${JSON.stringify(row)}\n`).join('\n'));
  const fixed = { steps: 1, learningRate: 1e-3, lora: false, best: false, activationMemory: null };
  return { name: 'tiny', model: fixturePath('models/llama'), feedback, maxLength: 16, ...fixed };
}

const judged = (index: number) => ({
  prompt: `a question about the weather in town ${index}`,
  completion: ` answer ${index}, which goes on and on and on until nobody listens`,
  label: index % 3 !== 0,
});

test('token rows are the first rows, in order, cut to length, one line each', async (t) => {
  const directory = await temporaryDirectory(t);
  const part = await partOf(
    directory,
    Array.from({ length: 20 }, (_, index) => judged(index)),
  );
  const rows = await writeRows(part, 2, directory);
  assert.equal(rows.count, 16);
  const lines = (await readFile(rows.tokens, 'utf8')).trimEnd().split('\n');
  const tokens = lines.map(
    (line) => JSON.parse(line) as { prompt_ids: number[]; completion_ids: number[]; label: boolean },
  );
  assert.deepEqual(
    tokens.map(({ label }) => label),
    Array.from({ length: 16 }, (_, index) => judged(index).label),
  );
  for (const { prompt_ids, completion_ids } of tokens) {
    assert.equal(prompt_ids.length, 8);
    assert.equal(prompt_ids.length + completion_ids.length, 16);
  }
  const given = (await readFile(part.feedback, 'utf8')).split('\n').filter((line) => line !== '');
  assert.deepEqual((await readFile(rows.feedback, 'utf8')).trimEnd().split('\n'), given.slice(0, 16));
});

test('too few rows are refused, with both numbers', async (t) => {
  const directory = await temporaryDirectory(t);
  const part = await partOf(
    directory,
    Array.from({ length: 15 }, (_, index) => judged(index)),
  );
  await assert.rejects(writeRows(part, 2, directory), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /15 rows; 2 steps take 16/);
    return true;
  });
});

const example = (id: number, row: number) => ({ promptIds: Int32Array.of(1, id), row });

test('a batch that Prospect would pair as PyTorch does is taken', () => {
  const prompts = [...Array(8).keys(), ...Array(8).keys()];
  requireRotationByOne(prompts.map(example), 'f.jsonl');
});

test('neighbours with the same prompt are refused: they would be paired otherwise', () => {
  const prompts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 13, 14];
  assert.throws(() => requireRotationByOne(prompts.map(example), 'f.jsonl'), /f\.jsonl: rows 9 to 16 have/);
});
