import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { convertFile } from '../../../../../coordinator/data/convert/convert-file.js';
import { SOURCES } from '../../../../../coordinator/data/convert/sources.js';
import { temporaryDirectory } from '../tiny-model.js';
import { convertRows } from './convert.js';

const pair = (prompt: string) => ({ prompt, chosen: 'good', rejected: 'bad' });
const judged = (prompt: string, completion: string, label: boolean | null) => ({ prompt, completion, label });

describe('to binary', () => {
  test('a pair becomes a desirable and an undesirable row', async (t) => {
    const { rows } = await convertRows(t, [pair('q')], { target: 'binary' });
    assert.deepEqual(rows, [judged('q', 'good', true), judged('q', 'bad', false)]);
  });

  test('a tokenized pair stays tokenized', async (t) => {
    const row = { prompt_ids: [1, 2], chosen_ids: [3], rejected_ids: [4] };
    const { rows } = await convertRows(t, [row], { target: 'binary' });
    assert.deepEqual(rows, [
      { prompt_ids: [1, 2], completion_ids: [3], label: true },
      { prompt_ids: [1, 2], completion_ids: [4], label: false },
    ]);
  });

  test('labels of 1 and 0 are labels', async (t) => {
    const rows = [1, 0].map((label) => ({ prompt: 'q', completion: 'a', label }));
    const converted = await convertRows(t, rows, { target: 'binary' });
    assert.deepEqual(
      converted.rows.map(({ label }) => label),
      [true, false],
    );
  });

  test('scores are cut at the threshold, and those near it dropped', async (t) => {
    const rows = [1, 2, 2.5, 3, 3.5, 4, 5].map((stars) => ({ prompt: 'q', completion: `${stars}`, stars }));
    const labelsOf = async (threshold: number, neutral: number | null) => {
      const converted = await convertRows(t, rows, { target: 'binary', threshold, neutral });
      return {
        desirable: converted.rows.filter(({ label }) => label === true).map(({ completion }) => completion),
        undesirable: converted.rows
          .filter(({ label }) => label === false)
          .map(({ completion }) => completion),
        rejected: converted.rejected,
      };
    };
    assert.deepEqual(await labelsOf(3, null), {
      desirable: ['3', '3.5', '4', '5'],
      undesirable: ['1', '2', '2.5'],
      rejected: {},
    });
    assert.deepEqual(await labelsOf(3, 0), {
      desirable: ['3.5', '4', '5'],
      undesirable: ['1', '2', '2.5'],
      rejected: { 'score is in the neutral band': 1 },
    });
    assert.deepEqual(await labelsOf(3, 0.5), {
      desirable: ['4', '5'],
      undesirable: ['1', '2'],
      rejected: { 'score is in the neutral band': 3 },
    });
  });

  test('with a threshold the score goes before the label, and the label serves where there is no score', async (t) => {
    const rows = [
      { ...judged('q', 'a', true), score: 1 },
      { ...judged('q', 'b', true), score: null },
    ];
    const labels = async (threshold: number | null) =>
      (await convertRows(t, rows, { target: 'binary', threshold })).rows.map(({ label }) => label);
    assert.deepEqual(await labels(3), [false, true]);
    assert.deepEqual(await labels(null), [true, true]);
  });

  test('a score without a threshold is rejected with advice', async (t) => {
    const rows = [judged('q', 'a', true), { prompt: 'q', completion: 'b', score: 3 }];
    const { rejected } = await convertRows(t, rows, { target: 'binary' });
    assert.deepEqual(rejected, { 'label is missing; --threshold makes one of the score': 1 });
  });
});

describe('to score', () => {
  test('scores are kept as they are', async (t) => {
    const rows = [4.5, -1].map((rating) => ({ prompt: 'q', completion: 'a', rating, label: true }));
    const converted = await convertRows(t, rows, { target: 'score' });
    assert.deepEqual(converted.rows, [
      { prompt: 'q', completion: 'a', score: 4.5 },
      { prompt: 'q', completion: 'a', score: -1 },
    ]);
  });

  test('the column of the score may be told', async (t) => {
    const row = { prompt: 'q', completion: 'a', score: 1, helpfulness: 3 };
    const converted = await convertRows(t, [row], {
      target: 'score',
      judgement: { label: null, score: 'helpfulness' },
    });
    assert.deepEqual(converted.rows, [{ prompt: 'q', completion: 'a', score: 3 }]);
  });

  test('rows without a score are rejected', async (t) => {
    const rows = [
      { prompt: 'q', completion: 'a', score: 1 },
      { prompt: 'q', completion: 'a' },
      { prompt: 'q', completion: 'a', score: 'high' },
      pair('q'),
    ];
    const { rejected } = await convertRows(t, rows, { target: 'score' });
    assert.deepEqual(rejected, {
      'score is missing': 1,
      'score is not a number': 1,
      'a pair has no score': 1,
    });
  });
});

describe('to preference', () => {
  test('desirable and undesirable answers to one prompt are paired in order, each once', async (t) => {
    const rows = [
      judged('q', 'good 1', true),
      judged('r', 'bad r', false),
      judged('q', 'good 2', true),
      judged('q', 'bad 1', false),
      judged('q', 'bad 2', false),
      judged('q', 'bad 3', false),
      judged('r', 'good r', true),
    ];
    const { rows: pairs, rejected } = await convertRows(t, rows, { target: 'preference' });
    assert.deepEqual(pairs, [
      { prompt: 'q', chosen: 'good 1', rejected: 'bad 1' },
      { prompt: 'q', chosen: 'good 2', rejected: 'bad 2' },
      { prompt: 'r', chosen: 'good r', rejected: 'bad r' },
    ]);
    assert.deepEqual(rejected, {
      'no answer of the other label to the same prompt is left to make a pair with': 1,
    });
  });
});

describe('the file that is written', () => {
  const options = {
    source: SOURCES.trl,
    target: 'binary',
    judgement: { label: null, score: null },
    threshold: null,
    neutral: null,
    onePerPromptSeed: null,
  } as const;
  const inputFile = (dir: string, rows: readonly unknown[]) => {
    const file = join(dir, 'in.jsonl');
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return file;
  };

  test('is not there where no row can be converted', async (t) => {
    const dir = temporaryDirectory(t);
    const input = inputFile(dir, [judged('q', '', true), 3]);
    await assert.rejects(convertFile(input, join(dir, 'out.jsonl'), options, new AbortController().signal), {
      name: 'ConfigError',
      message:
        `${input}: none of 2 rows can be converted (1: completion is empty; 1: not a JSON object); ` +
        `"prospect data inspect ${input}" shows its columns`,
    });
    assert.deepEqual(readdirSync(dir), ['in.jsonl']);
  });

  test('is not there where the user stops', async (t) => {
    const dir = temporaryDirectory(t);
    const input = inputFile(dir, [pair('q')]);
    const reason = new Error('stopped');
    await assert.rejects(
      convertFile(input, join(dir, 'out.jsonl'), options, AbortSignal.abort(reason)),
      reason,
    );
    assert.deepEqual(readdirSync(dir), ['in.jsonl']);
  });

  test('is an error where it cannot be written', async (t) => {
    const dir = temporaryDirectory(t);
    const output = join(dir, 'missing', 'out.jsonl');
    const converting = convertFile(
      inputFile(dir, [pair('q')]),
      output,
      options,
      new AbortController().signal,
    );
    await assert.rejects(converting, {
      name: 'ConfigError',
      message: /^cannot write .*missing\/out\.jsonl: ENOENT/,
    });
    assert.ok(!existsSync(dirname(output)));
  });

  test('may be the one that is read', async (t) => {
    const dir = temporaryDirectory(t);
    const file = inputFile(dir, [pair('q')]);
    const report = await convertFile(file, file, options, new AbortController().signal);
    assert.equal(report.rowsOut, 2);
  });
});

test('messages that are nested too deeply to be written are rejected', async (t) => {
  const depth = 100_000;
  const message = `{"role":"user","content":"q","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const deep = `{"prompt":[${message}],"completion":[{"role":"assistant","content":"a"}],"label":true}`;
  for (const target of ['binary', 'preference'] as const) {
    const { rejected } = await convertRows(t, [pair('q'), deep], { target, onePerPromptSeed: null });
    assert.deepEqual(rejected, { 'a message is nested too deeply': 1 });
  }
});
