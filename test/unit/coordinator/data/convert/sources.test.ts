import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { detectSource } from '../../../../../coordinator/data/convert/detect.js';
import { tableOf } from '../../../../../coordinator/data/convert/sources/table.js';
import { temporaryDirectory } from '../tiny-model.js';
import { assistant, convertRows, user } from './convert.js';

describe('sharegpt', () => {
  test('a judged conversation becomes prompt and completion, its messages as they are', async (t) => {
    const messages = [{ content: 'q', role: 'user', name: 'Ada' }, assistant('a'), user('r'), assistant('b')];
    const { rows } = await convertRows(t, [{ messages, label: false }], { target: 'binary' });
    assert.equal(
      JSON.stringify(rows[0]),
      JSON.stringify({ prompt: messages.slice(0, 3), completion: messages.slice(3), label: false }),
    );
  });

  test('speakers get the names of chat templates', async (t) => {
    const conversations = [
      { from: 'human', value: 'q' },
      { from: 'observation', value: 'o' },
      { from: 'gpt', value: 'a' },
    ];
    const { rows } = await convertRows(t, [{ system: 's', conversations, kto_tag: true }], {
      target: 'binary',
    });
    assert.deepEqual(rows, [
      {
        prompt: [{ role: 'system', content: 's' }, user('q'), { role: 'tool', content: 'o' }],
        completion: [assistant('a')],
        label: true,
      },
    ]);
  });

  test('a conversation with two answers becomes a pair', async (t) => {
    const row = {
      conversations: [{ from: 'human', value: 'q' }],
      chosen: { from: 'gpt', value: 'good' },
      rejected: { from: 'gpt', value: 'bad' },
    };
    const { rows } = await convertRows(t, [row], { target: 'preference' });
    assert.deepEqual(rows, [
      { prompt: [user('q')], chosen: [assistant('good')], rejected: [assistant('bad')] },
    ]);
  });

  test('what cannot be told is rejected with the reason', async (t) => {
    const good = { messages: [user('q'), assistant('a')], label: true };
    const { rejected } = await convertRows(
      t,
      [
        good,
        { messages: [user('q')], label: true },
        { messages: [user('q'), { role: 'function_call', content: '{}' }], label: true },
        { messages: [user('q'), { role: 'assistant' }], label: true },
        { messages: [user('q'), 'a'], label: true },
        { messages: [user('q'), assistant('')], label: true },
        { messages: [user('q'), assistant('a')] },
        { messages: [user('q'), assistant('a')], label: 'good' },
      ],
      { target: 'binary' },
    );
    assert.deepEqual(rejected, {
      'the assistant does not have the last word': 1,
      'a message is of nobody whose role is known': 1,
      'a message has no text': 1,
      'a message is not an object': 1,
      'completion is empty': 1,
      'label is missing': 1,
      'label is not true or false': 1,
    });
  });
});

describe('alpaca', () => {
  test('instruction, input and history become messages', async (t) => {
    const row = {
      instruction: 'i',
      input: 'n',
      output: 'o',
      history: [['q', 'a']],
      system: '',
      kto_tag: false,
    };
    const { rows } = await convertRows(t, [row], { target: 'binary' });
    assert.deepEqual(rows, [
      { prompt: [user('q'), assistant('a'), user('i\nn')], completion: [assistant('o')], label: false },
    ]);
  });

  test('chosen and rejected become a pair', async (t) => {
    const row = { instruction: 'i', input: '', chosen: 'good', rejected: 'bad' };
    const { rows } = await convertRows(t, [row], { target: 'preference' });
    assert.deepEqual(rows, [
      { prompt: [user('i')], chosen: [assistant('good')], rejected: [assistant('bad')] },
    ]);
  });
});

describe('hh', () => {
  test('transcripts become messages, and what both begin with is the prompt', async (t) => {
    const row = {
      chosen: '\n\nHuman: q\nmore\n\nAssistant: a\n\nHuman: r\n\nAssistant: good ',
      rejected: '\n\nHuman: q\nmore\n\nAssistant: a\n\nHuman: r\n\nAssistant: bad',
    };
    const { rows } = await convertRows(t, [row], { target: 'preference' });
    assert.deepEqual(rows, [
      {
        prompt: [user('q\nmore'), assistant('a'), user('r')],
        chosen: [assistant('good')],
        rejected: [assistant('bad')],
      },
    ]);
  });

  test('transcripts without one answer each to the same messages are rejected', async (t) => {
    const ask = '\n\nHuman: q\n\nAssistant:';
    const { rejected } = await convertRows(
      t,
      [
        { chosen: `${ask} good`, rejected: `${ask} bad` },
        { chosen: `${ask} a\n\nHuman: r`, rejected: `${ask} bad` },
        { chosen: `${ask} a\n\nHuman: r\n\nAssistant: b`, rejected: `${ask} bad` },
        { chosen: '\n\nHuman: other\n\nAssistant: a', rejected: `${ask} bad` },
        { chosen: `${ask} good`, rejected: ask },
        { chosen: `Well.${ask} good`, rejected: `${ask} bad` },
      ],
      { target: 'preference' },
    );
    assert.deepEqual(rejected, {
      'the assistant does not have the last word': 1,
      'chosen and rejected are not one answer each to the same messages': 2,
      'rejected is empty': 1,
      'not a transcript of Human and Assistant': 1,
    });
  });
});

test('shp: the comment that readers prefer is chosen', async (t) => {
  const row = { history: 'post', human_ref_A: 'A', human_ref_B: 'B' };
  const { rows, rejected } = await convertRows(
    t,
    [
      { ...row, labels: 1, score_A: 2, score_B: 9 },
      { ...row, labels: 0 },
      { ...row, score_A: 3, score_B: 2 },
      { ...row, score_A: 2, score_B: 2 },
      row,
    ],
    { target: 'preference' },
  );
  assert.deepEqual(
    rows.map(({ chosen }) => chosen),
    [[assistant('A')], [assistant('B')], [assistant('A')]],
  );
  assert.deepEqual(rows[0]?.['prompt'], [user('post')]);
  assert.deepEqual(rejected, {
    'both comments have the same score': 1,
    'neither labels nor scores tell which comment is preferred': 1,
  });
});

describe('oasst', () => {
  const reply = (text: string, rank: number | null, replies: readonly unknown[] = []) => ({
    text,
    role: 'assistant',
    rank,
    replies,
  });
  const prompter = (text: string, replies: readonly unknown[]) => ({ text, role: 'prompter', replies });

  test('neighbours in rank become pairs, at every depth of the tree', async (t) => {
    const second = prompter('r', [reply('x', 1), reply('y', 0), reply('unranked', null)]);
    const prompt = prompter('q', [reply('c', 2), reply('a', 0, [second]), reply('b', 1)]);
    const { rows } = await convertRows(t, [{ message_tree_id: 't', prompt }], { target: 'preference' });
    assert.deepEqual(rows, [
      { prompt: [user('q')], chosen: [assistant('a')], rejected: [assistant('b')] },
      { prompt: [user('q')], chosen: [assistant('b')], rejected: [assistant('c')] },
      {
        prompt: [user('q'), assistant('a'), user('r')],
        chosen: [assistant('y')],
        rejected: [assistant('x')],
      },
    ]);
  });

  test('a tree without a ranking, and one that is absurdly deep, are rejected', async (t) => {
    let deep: unknown = prompter('q', []);
    for (let depth = 0; depth < 2000; depth += 1) deep = prompter('q', [deep]);
    const ranked = prompter('q', [reply('a', 0), reply('b', 1)]);
    const { rejected } = await convertRows(
      t,
      [ranked, prompter('q', [reply('a', 0)]), deep].map((prompt) => ({ message_tree_id: 't', prompt })),
      { target: 'preference' },
    );
    assert.deepEqual(rejected, {
      'no message of the tree has two ranked replies': 1,
      'the tree is more than 1000 messages deep': 1,
    });
  });
});

describe('table', () => {
  const question = { prompt: [user('q')], completion: [assistant('a')] };

  test('a question and an answer become messages, whatever the case of the columns', async (t) => {
    const rows = [
      { Question: 'q', Answer: 'a', Stars: 5 },
      { PROMPT: 'q', Reply: 'a', rating: '1.0' },
    ];
    const converted = await convertRows(t, rows, { target: 'score' });
    assert.deepEqual(converted.rows, [
      { ...question, score: 5 },
      { ...question, score: 1 },
    ]);
  });

  test('columns that are named go before the usual ones', async (t) => {
    const row = { Mail: 'q', question: 'r', Ours: 'a', answer: 'b', CSAT: 2, stars: 5, ok: 1, label: false };
    const source = tableOf({ prompt: 'mail', completion: 'OURS' });
    const options = { source, judgement: { label: 'Ok', score: 'csat' } };
    const labels = await convertRows(t, [row], { target: 'binary', ...options });
    assert.deepEqual(labels.rows, [{ ...question, label: true }]);
    const scores = await convertRows(t, [row], { target: 'score', ...options });
    assert.deepEqual(scores.rows, [{ ...question, score: 2 }]);
  });

  test('texts lose the blanks around them and the line ends of another system; messages stay', async (t) => {
    const rows = [
      { question: ' \r\nq\r\nr ', answer: '\ta\rb\n', label: true },
      { question: [user('q'), assistant('r '), user('s')], answer: 'a', label: true },
    ];
    const converted = await convertRows(t, rows, { target: 'binary' });
    assert.deepEqual(converted.rows, [
      { prompt: [user('q\nr')], completion: [assistant('a\nb')], label: true },
      { prompt: [user('q'), assistant('r '), user('s')], completion: [assistant('a')], label: true },
    ]);
  });

  test('what cannot be told is rejected with the reason', async (t) => {
    const sound = { question: 'q', answer: 'a', stars: 5 };
    const strays = [
      { ...sound, question: null },
      { ...sound, answer: null },
      { ...sound, question: ' \n' },
      { ...sound, answer: '\t' },
      { ...sound, answer: 7 },
      { ...sound, stars: null },
      { ...sound, stars: '4,5' },
      { ...sound, stars: 'five' },
      { ...sound, stars: 3 },
    ];
    const options = { target: 'binary', threshold: 3, neutral: 0 } as const;
    const { rows, rejected, report } = await convertRows(
      t,
      [sound, ...strays, { ...sound, stars: 2 }],
      options,
    );
    assert.equal(rows.length, 2);
    assert.deepEqual([report.desirable, report.undesirable], [1, 1]);
    assert.deepEqual(rejected, {
      'prompt is missing': 1,
      'completion is missing': 1,
      'prompt is empty': 1,
      'completion is empty': 1,
      'completion is not text': 1,
      'score is missing': 1,
      'score is not a number': 2,
      'score is in the neutral band': 1,
    });
  });
});

describe('the format is detected', () => {
  const cases: Record<string, unknown> = {
    trl: { prompt: 'q', chosen: 'a', rejected: 'b' },
    hh: { chosen: '\n\nHuman: q\n\nAssistant: a', rejected: '\n\nHuman: q\n\nAssistant: b' },
    shp: { history: 'q', human_ref_A: 'a', human_ref_B: 'b', labels: 1 },
    oasst: { message_tree_id: 't', prompt: { text: 'q', role: 'prompter', replies: [] } },
    sharegpt: { conversations: [] },
    alpaca: { instruction: 'q', output: 'a' },
    table: { Question: 'q', ANSWER: 'a' },
  };
  const detect = (dir: string, rows: readonly unknown[]) => {
    const file = join(dir, 'rows.jsonl');
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return detectSource(file);
  };

  for (const [name, row] of Object.entries(cases)) {
    test(`by its columns, bad rows aside: ${name}`, async (t) => {
      const source = await detect(temporaryDirectory(t), [3, {}, row]);
      assert.equal(source.name, name);
    });
  }

  test('or nothing is, which is an error', async (t) => {
    const dir = temporaryDirectory(t);
    await assert.rejects(detect(dir, [{ mail: 'q' }, { mail: 'q', ours: 'a' }]), {
      name: 'ConfigError',
      message: /of no format that is known \(columns: mail, ours\): name .* with --prompt-column and --compl/,
    });
    await assert.rejects(detect(dir, []), {
      name: 'ConfigError',
      message: /its first rows are not JSON; a table of text is known by its name, \*\.csv or \*\.tsv/,
    });
    await assert.rejects(detect(dir, [cases['alpaca'], cases['shp']]), {
      name: 'ConfigError',
      message: /several formats \(alpaca, shp\): choose one with --from/,
    });
  });
});
