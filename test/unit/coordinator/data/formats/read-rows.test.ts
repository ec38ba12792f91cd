import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { BadRow } from '../../../../../coordinator/data/bad-row.js';
import { readRows } from '../../../../../coordinator/data/formats/read-rows.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { temporaryDirectory } from '../tiny-model.js';
import { readContent } from './read.js';
import { inAllFormats, toJsonLines, type WrittenRow } from './written.js';

const text = fc.string({ unit: 'grapheme' });
const label = fc.option(fc.boolean(), { nil: undefined });
const score = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined });
const message = fc.record({ role: fc.constantFrom('user', 'assistant'), content: text });
const messages = fc.array(message, { minLength: 1, maxLength: 3 });

const textRow = fc.record({ prompt: text, completion: text, label, score });
const chatRow = fc.record({ prompt: messages, completion: messages, label, score });
/** Rows of one kind, as a file of columns has them. */
const rowsOfAFile = fc.oneof(
  fc.array(textRow, { minLength: 1, maxLength: 8 }),
  fc.array(chatRow, { minLength: 1, maxLength: 8 }),
);

/** Without what JSON does not have: −0, and columns without a value. */
const asJson = (rows: readonly WrittenRow[]) => JSON.parse(JSON.stringify(rows)) as WrittenRow[];

test('the same rows come out of every format', async (t) => {
  const dir = temporaryDirectory(t);
  const property = fc.asyncProperty(rowsOfAFile, async (rows) => {
    const expected = asJson(rows);
    for (const [name, content] of inAllFormats(expected)) {
      assert.deepEqual(await readContent(dir, name, content), expected, name);
    }
  });
  await fc.assert(property, { numRuns: 25 });
});

test('a damaged file gives rows, bad rows or one ConfigError that names it', async (t) => {
  const dir = temporaryDirectory(t);
  const damage = fc.record({
    rows: rowsOfAFile,
    format: fc.nat(),
    cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    bytes: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat({ max: 255 })), {
      maxLength: 4,
    }),
  });
  const property = fc.asyncProperty(damage, async ({ rows, format, cut, bytes }) => {
    const formats = [...inAllFormats(rows)].filter(([name]) => name !== 'rows.parquet');
    const [name, content] = formats[format % formats.length]!;
    const damaged = Buffer.from(content.subarray(0, Math.ceil((cut ?? 1) * content.length)));
    for (const [place, byte] of bytes) damaged[Math.floor(place * damaged.length)] = byte;
    const file = join(dir, name);
    writeFileSync(file, damaged);
    try {
      for await (const row of readRows(file)) {
        assert.ok(row.where.startsWith(file), row.where);
        try {
          row.parse();
        } catch (error) {
          assert.ok(error instanceof BadRow, String(error));
        }
      }
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      assert.ok(error.message.includes(file) && !error.message.includes('\n'), error.message);
    }
  });
  await fc.assert(property, { numRuns: 300 });
});

describe('a row of more bytes than may be', () => {
  const long = 'x'.repeat(3000);
  const contents = {
    'rows.jsonl': toJsonLines([{ prompt: 'a' }, { prompt: long }]),
    'rows.json': JSON.stringify([{ prompt: 'a' }, { prompt: long }]),
    'rows.csv': `prompt\na\n"${long}`,
  };
  const places = { 'rows.jsonl': ':2: ', 'rows.json': '[1]: ', 'rows.csv': ':3: ' };

  for (const name of ['rows.jsonl', 'rows.json', 'rows.csv'] as const) {
    for (const [file, content] of [
      [name, contents[name]],
      [`${name}.gz`, gzipSync(contents[name])],
    ] as const) {
      test(`is an error: ${file}`, async (t) => {
        const dir = temporaryDirectory(t);
        await assert.rejects(readContent(dir, file, content, { maxRowBytes: 1000 }), (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.ok(error.message.startsWith(join(dir, file) + places[name]), error.message);
          return true;
        });
      });
    }
  }
});

test('a workbook is an error that says what to save it as', async (t) => {
  const dir = temporaryDirectory(t);
  for (const magic of [Buffer.from('PK\x03\x04'), Buffer.of(0xd0, 0xcf, 0x11, 0xe0, 0xa1)]) {
    await assert.rejects(readContent(dir, 'rows.xlsx', magic), {
      name: 'ConfigError',
      message: /rows\.xlsx: an Excel workbook or a zip archive: save the sheet as "CSV UTF-8"$/,
    });
  }
});

test('a gzip file that ends early is an error', async (t) => {
  const content = gzipSync(toJsonLines(Array.from({ length: 100 }, (_, i) => ({ prompt: `row ${i}` }))));
  await assert.rejects(readContent(temporaryDirectory(t), 'rows.jsonl.gz', content.subarray(0, -20)), {
    name: 'ConfigError',
    message: /cannot decompress .*rows\.jsonl\.gz: unexpected end of file/,
  });
});

test('a file without rows has none', async (t) => {
  const dir = temporaryDirectory(t);
  for (const [name, content] of [
    ['empty.jsonl', ''],
    ['blank.jsonl', '\n \n\r\n'],
    ['empty.json', ' [ ] \n'],
    ['empty.csv', ''],
    ['header.csv', 'prompt,completion\n'],
    ['empty.jsonl.gz', gzipSync('')],
  ] as const) {
    assert.deepEqual(await readContent(dir, name, content), [], name);
  }
});
