import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readJsonArray } from '../../../../../coordinator/data/formats/json-array.js';
import type { RawRow } from '../../../../../coordinator/data/formats/raw-row.js';
import { parseAll } from './read.js';

// eslint-disable-next-line @typescript-eslint/require-await -- a stream without waiting
async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

const read = (text: string, chunkSize = 7) =>
  parseAll(readJsonArray('FILE', inChunks(Buffer.from(text), chunkSize), 2 ** 20));

test('gives the elements that JSON.parse gives, wherever the chunks end', async () => {
  const layout = fc.constantFrom(undefined, 1, '\t');
  const property = fc.asyncProperty(
    fc.array(fc.jsonValue({ noUnicodeString: false })),
    layout,
    fc.integer({ min: 1, max: 40 }),
    async (values, indent, chunkSize) => {
      const text = JSON.stringify(values, null, indent);
      assert.deepEqual(await read(text, chunkSize), JSON.parse(text));
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

describe('brackets, commas and quotes in strings', () => {
  for (const value of ['[', ']', '{"a":1}', ',', '"', '\\', '\\"', '\\\\"]']) {
    test(`are text: ${value}`, async () => {
      const values = [value, { [value]: [value] }];
      for (const chunkSize of [1, 2, 3]) {
        assert.deepEqual(await read(JSON.stringify(values), chunkSize), values);
      }
    });
  }
});

describe('what is no array', () => {
  const cases = {
    '[{}': 'it ends within element 0',
    '[{}, ': 'it ends within element 1',
    '[{"a": "]': 'it ends within element 0',
    '[{}, ]': 'element 1 is empty',
    '[, {}]': 'element 0 is empty',
    '[{}}]': 'element 0 closes a brace too many',
    '[{}] x': 'something follows its end',
    '[]]': 'something follows its end',
  };
  for (const [text, reason] of Object.entries(cases)) {
    test(`is an error: ${text}`, async () => {
      await assert.rejects(read(text, 2), {
        name: 'ConfigError',
        message: `FILE: begins with "[" but is not a JSON array: ${reason}`,
      });
    });
  }
});

test('an element that is no JSON is a bad row, and the next ones are read', async () => {
  const rows: RawRow[] = [];
  for await (const row of readJsonArray('FILE', inChunks(Buffer.from('[1, {"a" 2}, [3]]'), 4), 100))
    rows.push(row);
  assert.deepEqual(
    rows.map(({ row, where }) => [row, where]),
    [
      [0, 'FILE[0]'],
      [1, 'FILE[1]'],
      [2, 'FILE[2]'],
    ],
  );
  assert.throws(() => rows[1]?.parse(), { name: 'BadRow', message: 'not JSON' });
  assert.deepEqual(rows[2]?.parse(), [3]);
});
