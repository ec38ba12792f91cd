import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readParquet } from '../../../../../coordinator/data/formats/parquet.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { temporaryDirectory } from '../tiny-model.js';
import { parseAll } from './read.js';
import { toParquet } from './written.js';

const textRows = Array.from({ length: 500 }, (_, i) => ({
  prompt: `question ${i} ${'q'.repeat(i % 50)}`,
  completion: `answer ${i}`,
  label: i % 3 === 0,
}));
const chatRows = textRows.map(({ prompt, completion, label }, i) => ({
  prompt: Array.from({ length: 1 + (i % 3) }, (_, turn) => ({ role: 'user', content: `${prompt} ${turn}` })),
  completion: [{ role: 'assistant', content: completion }],
  label,
}));

describe('a row group in slices', () => {
  for (const [kind, rows] of [
    ['text', textRows],
    ['messages', chatRows],
  ] as const) {
    test(`gives the rows of the whole: ${kind}`, async (t) => {
      const file = join(temporaryDirectory(t), 'rows.parquet');
      writeFileSync(file, toParquet(rows, { rowGroupSize: 300, pageSize: 1000 }));
      for (const sliceBytes of [2000, 2 ** 26]) {
        assert.deepEqual(await parseAll(readParquet(file, { sliceBytes })), rows);
      }
    });
  }
});

test('a row group that is too large to decode at once is an error', async (t) => {
  const file = join(temporaryDirectory(t), 'rows.parquet');
  writeFileSync(file, toParquet(chatRows));
  await assert.rejects(parseAll(readParquet(file, { sliceBytes: 1, maxGroupBytes: 1000 })), {
    name: 'ConfigError',
    message: /rows\.parquet as Parquet: a row group with lists or structs is of more than 1000 bytes/,
  });
});

test('a reader that stops early leaves no thread behind', async (t) => {
  const file = join(temporaryDirectory(t), 'rows.parquet');
  writeFileSync(file, toParquet(textRows));
  for await (const row of readParquet(file)) {
    assert.deepEqual(row.parse(), textRows[0]);
    break;
  }
});

test('a damaged file gives rows or a ConfigError', async (t) => {
  const file = join(temporaryDirectory(t), 'rows.parquet');
  const contents = [toParquet(textRows.slice(0, 20)), toParquet(chatRows.slice(0, 20))];
  const place = fc.double({ min: 0, max: 0.999, noNaN: true });
  const damage = fc.record({
    content: fc.constantFrom(...contents),
    cut: fc.option(place),
    bytes: fc.array(fc.tuple(place, fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }),
  });
  const property = fc.asyncProperty(damage, async ({ content, cut, bytes }) => {
    const damaged = Buffer.from(content.subarray(0, Math.ceil((cut ?? 1) * content.length)));
    for (const [at, byte] of bytes) damaged[Math.floor(at * damaged.length)] = byte;
    writeFileSync(file, damaged);
    await parseAll(readParquet(file, { timeoutMs: 10_000 })).catch((error: unknown) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.ok(error.message.startsWith(`cannot read ${file} as Parquet: `), error.message);
    });
  });
  await fc.assert(property, { numRuns: 20 });
});
