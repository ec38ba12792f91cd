import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readRows } from '../../../../../coordinator/data/formats/read-rows.js';
import { temporaryDirectory } from '../tiny-model.js';
import { readContent } from './read.js';

describe('a cell', () => {
  const columns = 'prompt,completion,label,score,note';
  const cases: Record<string, unknown> = {
    'a,b,true,4.5,x': { prompt: 'a', completion: 'b', label: true, score: 4.5, note: 'x' },
    'a,b,False,-1e3,"[1, 2]"': { prompt: 'a', completion: 'b', label: false, score: -1000, note: [1, 2] },
    '42,true,,,': { prompt: '42', completion: 'true' },
    '"",null,null,,': { prompt: '', completion: 'null', label: null },
    '"line 1\nline 2","say ""b""",TRUE,3,': {
      prompt: 'line 1\nline 2',
      completion: 'say "b"',
      label: true,
      score: 3,
    },
    '"[{""role"": ""user"", ""content"": ""a""}]","[1, 2]",,,': {
      prompt: [{ role: 'user', content: 'a' }],
      completion: '[1, 2]',
    },
  };
  for (const [record, expected] of Object.entries(cases)) {
    test(`stands for a value: ${record.replaceAll('\n', '\\n')}`, async (t) => {
      const rows = await readContent(temporaryDirectory(t), 'rows.csv', `${columns}\n${record}\n`);
      assert.deepEqual(rows, [expected]);
    });
  }
});

test('a column without a name is left out', async (t) => {
  const content = '\ufeff,prompt\r\n0,a\r\n1,b\r\n';
  assert.deepEqual(await readContent(temporaryDirectory(t), 'rows.csv', content), [
    { prompt: 'a' },
    { prompt: 'b' },
  ]);
});

test('rows are told by the line that they begin at', async (t) => {
  const file = join(temporaryDirectory(t), 'rows.csv');
  writeFileSync(file, 'prompt,note\r\n"1\n2\n3",a\r\n\nb,c\nd,e,f\n"g",h');
  const places: string[] = [];
  for await (const row of readRows(file)) places.push(row.where.replace(file, ''));
  assert.deepEqual(places, [':2', ':6', ':7', ':8']);
});

test('a row with another number of cells is a bad one', async (t) => {
  const dir = temporaryDirectory(t);
  for (const record of ['a', 'a,b,c']) {
    await assert.rejects(readContent(dir, 'rows.csv', `prompt,completion\n${record}\n`), {
      name: 'BadRow',
      message: 'not as many cells as the header has columns',
    });
  }
});

describe('cells are set apart by what sets the names of the header apart:', () => {
  const cases: Record<string, [name: string, content: string]> = {
    'semicolons, as where a comma is in numbers': ['rows.csv', '\ufeffprompt;note\r\n"a;b";c,d\r\n'],
    tabs: ['rows.tsv', 'prompt\tnote\na;b\tc,d\n'],
    'tabs, in a file of commas by its name, below a blank line': ['rows.csv', '\nprompt\tnote\n"a;b"\tc,d\n'],
    'commas, though a quoted name has more semicolons': ['rows.csv', 'prompt,note,"a;b;c"\na;b,"c,d",\n'],
    'commas, though the cells have tabs': ['rows.csv.gz', 'prompt,note\na;b,"c,d"\n'],
  };
  for (const [what, [name, content]] of Object.entries(cases)) {
    test(what, async (t) => {
      const bytes = name.endsWith('.gz') ? gzipSync(content) : content;
      const rows = await readContent(temporaryDirectory(t), name, bytes);
      assert.deepEqual(rows, [{ prompt: 'a;b', note: 'c,d' }]);
    });
  }
});

test('a column that is named as text holds text, in capitals too', async (t) => {
  const file = join(temporaryDirectory(t), 'rows.csv');
  writeFileSync(file, 'Mail,Question,Stars\n042,1.0,5\n7,true,"[1]"\n');
  const rows: unknown[] = [];
  for await (const row of readRows(file)) rows.push(row.parse(new Set(['mail'])));
  assert.deepEqual(rows, [
    { Mail: '042', Question: '1.0', Stars: 5 },
    { Mail: '7', Question: 'true', Stars: [1] },
  ]);
});

describe('an error names the line:', () => {
  const cases: Record<string, [content: string | Buffer, message: RegExp]> = {
    'a quote that is not closed': ['prompt\na\n"b\nc', /rows\.csv:\d+: not CSV: .*Quote Not Closed/i],
    'a quote inside of a cell': ['prompt\na"b\n', /rows\.csv:2: not CSV: .*Opening Quote/i],
    'a column twice': ['prompt,label,prompt\n', /rows\.csv:1: the header names column "prompt" twice/],
    'bytes that are not UTF-8': [
      Buffer.of(0x61, 0x0a, 0xff, 0x0a),
      /rows\.csv: not UTF-8 text: save it as "CSV UTF-8", or convert it with "iconv /,
    ],
  };
  for (const [name, [content, message]] of Object.entries(cases)) {
    test(name, async (t) => {
      const reading = readContent(temporaryDirectory(t), 'rows.csv', content);
      await assert.rejects(reading, { name: 'ConfigError', message });
    });
  }
});
