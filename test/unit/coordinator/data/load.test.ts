import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { loadExamples, type LoadOptions } from '../../../../coordinator/data/load.js';
import { TextTokenizer } from '../../../../coordinator/data/tokenizer.js';
import { ConfigError } from '../../../../lib/errors.js';
import { idsOf, modelDirectory, temporaryDirectory, VOCAB_SIZE } from './tiny-model.js';

const OPTIONS: LoadOptions = { maxLength: 16, maxPromptLength: 8, rows: 'labelled', skipBadRows: false };
/** Writes each turn as role letter, content, EOS and a line break, as ChatML does. */
const TURNS = {
  'tokenizer_config.json': { eos_token: '</s>' },
  'config.json': { vocab_size: VOCAB_SIZE },
  'chat_template.jinja':
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" +
    "{{ ('a' if m.role == 'assistant' else 'b') + m.content + '</s>\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'a' }}{% endif %}",
};

/** Rows that are text already are written as they are. */
function dataFile(t: TestContext, rows: readonly unknown[], name = 'rows.jsonl'): string {
  const file = join(temporaryDirectory(t), name);
  writeFileSync(
    file,
    rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)) + '\n').join(''),
  );
  return file;
}

/** Token ids of every example, as [prompt, completion]. */
async function idsOfRows(
  t: TestContext,
  rows: readonly unknown[],
  { options = OPTIONS, files = TURNS } = {},
) {
  const tokenizer = TextTokenizer.load(modelDirectory(t, files));
  const { examples } = await loadExamples(dataFile(t, rows), tokenizer, options);
  return examples.map(({ promptIds, completionIds }) => [[...promptIds], [...completionIds]]);
}

async function failure(t: TestContext, rows: readonly unknown[], options = OPTIONS): Promise<string> {
  const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
  const file = dataFile(t, rows);
  const error: unknown = await loadExamples(file, tokenizer, options).then(
    () => assert.fail('loads'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConfigError, String(error));
  return error.message.replaceAll(file, 'FILE');
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

describe('rows of text', () => {
  test('get EOS at the end of the completion', async (t) => {
    const rows = [{ prompt: 'a', completion: ' b', label: true }];
    assert.deepEqual(await idsOfRows(t, rows), [[idsOf('a'), idsOf('Ġ', 'b', '</s>')]]);
  });

  test('keep an EOS that they have, and nothing after it', async (t) => {
    const rows = [
      { prompt: 'a', completion: 'c</s>', label: true },
      { prompt: 'b', completion: 'c</s>b</s>', label: false },
    ];
    assert.deepEqual(await idsOfRows(t, rows), [
      [idsOf('a'), idsOf('c', '</s>')],
      [idsOf('b'), idsOf('c', '</s>')],
    ]);
  });

  test('give a token over the border to the completion', async (t) => {
    const rows = [{ prompt: 'ca', completion: 'b', label: true }];
    assert.deepEqual(await idsOfRows(t, rows), [[idsOf('c'), idsOf('ab', '</s>')]]);
  });
});

describe('rows of messages', () => {
  test('are written by the chat template and end with the EOS of the answer', async (t) => {
    const rows = [{ prompt: [user('c')], completion: [assistant('7')], label: true }];
    assert.deepEqual(await idsOfRows(t, rows), [[idsOf('b', 'c', '</s>', 'Ċ', 'a'), idsOf('7', '</s>')]]);
  });

  test('get EOS from us where the template writes none', async (t) => {
    const files = { ...TURNS, 'chat_template.jinja': TURNS['chat_template.jinja'].replace('</s>', '') };
    const rows = [{ prompt: [user('c')], completion: [assistant('7')], label: true }];
    assert.deepEqual(await idsOfRows(t, rows, { files }), [[idsOf('b', 'c', 'Ċ', 'a'), idsOf('7', '</s>')]]);
  });

  test('may hold several turns', async (t) => {
    const prompt = [user('c'), assistant('7'), user('8')];
    const rows = [{ prompt, completion: [assistant('c')], label: false }];
    const options = { ...OPTIONS, maxLength: 32, maxPromptLength: 16 };
    assert.deepEqual(await idsOfRows(t, rows, { options }), [
      [idsOf('b', 'c', '</s>', 'Ċ', 'a', '7', '</s>', 'Ċ', 'b', '8', '</s>', 'Ċ', 'a'), idsOf('c', '</s>')],
    ]);
  });

  test('of a model without a chat template are an error of the model, not of the row', async (t) => {
    const tokenizer = TextTokenizer.load(modelDirectory(t));
    const file = dataFile(t, [{ prompt: [user('c')], completion: [assistant('7')], label: true }]);
    const loading = loadExamples(file, tokenizer, { ...OPTIONS, skipBadRows: true });
    await assert.rejects(loading, { name: 'ConfigError', message: /has no chat template/ });
  });
});

test('tokenized rows are taken as they are', async (t) => {
  const rows = [{ prompt_ids: [2, 0, 3], completion_ids: [0, 4], label: true }];
  assert.deepEqual(await idsOfRows(t, rows), [
    [
      [2, 0, 3],
      [0, 4],
    ],
  ]);
});

describe('the rule of length', () => {
  const rows = [
    { prompt_ids: [1, 2, 3, 4, 5, 6], completion_ids: [7, 8, 9], label: true },
    { prompt_ids: [1, 2], completion_ids: [3, 4, 5, 6, 7, 8], label: false },
    { prompt_ids: [1, 2, 3, 4], completion_ids: [5, 6, 7], label: true },
  ];
  const options = { ...OPTIONS, maxLength: 7, maxPromptLength: 4 };

  test('keeps the end of a prompt and the beginning of a completion', async (t) => {
    assert.deepEqual(await idsOfRows(t, rows, { options }), [
      [
        [3, 4, 5, 6],
        [7, 8, 9],
      ],
      [
        [1, 2],
        [3, 4, 5, 6, 7],
      ],
      [
        [1, 2, 3, 4],
        [5, 6, 7],
      ],
    ]);
  });

  test('is counted in the report', async (t) => {
    const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
    const { report } = await loadExamples(dataFile(t, rows), tokenizer, options);
    assert.deepEqual(report, {
      rows: 3,
      used: 3,
      skipped: new Map(),
      promptsCut: 1,
      completionsCut: 1,
      desirable: 2,
      undesirable: 1,
      leftOut: 0,
    });
  });
});

describe('a bad row', () => {
  const good = { prompt: 'a', completion: 'c', label: true };
  const cases: Record<string, unknown> = {
    'not JSON': '{"prompt": "a", ',
    'not a JSON object': '3',
    'label is missing': { prompt: 'a', completion: 'c' },
    'label is not true or false': { prompt: 'a', completion: 'c', label: 1 },
    'prompt is missing': { completion: 'c', label: true },
    'completion is missing': { prompt: 'a', label: true },
    'completion is empty': { prompt: 'a', completion: '', label: true },
    'no token of the prompt stands before the completion': { prompt: '', completion: 'c', label: true },
    'prompt and completion are neither both text nor both lists of messages': {
      prompt: 'a',
      completion: [assistant('c')],
      label: true,
    },
    'prompt holds no message': { prompt: [], completion: [assistant('c')], label: true },
    'prompt holds a message without a role or content that is text': {
      prompt: [{ role: 'user' }],
      completion: [assistant('c')],
      label: true,
    },
    'completion is not one message of the assistant': {
      prompt: [user('c')],
      completion: [user('c')],
      label: true,
    },
    'the chat template refuses the messages: no system role': {
      prompt: [{ role: 'system', content: 'c' }],
      completion: [assistant('c')],
      label: true,
    },
    'prompt_ids is not a list': { completion_ids: [1], label: true },
    'prompt_ids is empty': { prompt_ids: [], completion_ids: [1], label: true },
    'completion_ids is empty': { prompt_ids: [1], completion_ids: [], label: true },
    'completion_ids holds something that is no token id': {
      prompt_ids: [1],
      completion_ids: [1.5],
      label: true,
    },
    [`a token id is outside of the model's vocabulary of ${VOCAB_SIZE}`]: {
      prompt_ids: [1],
      completion_ids: [VOCAB_SIZE],
      label: true,
    },
  };

  for (const [reason, bad] of Object.entries(cases)) {
    test(`is an error that names file, line and reason: ${reason}`, async (t) => {
      const message = await failure(t, [good, '', bad]);
      assert.equal(message, `FILE:3: ${reason}; mend the data, or skip bad rows with --skip-bad-rows`);
    });
  }

  test('is the first one, and says how many more there are', async (t) => {
    const bad = Object.values(cases);
    const message = await failure(t, [good, ...bad]);
    assert.match(message, new RegExp(`^FILE:2: not JSON \\(and ${bad.length - 1} more bad rows\\);`));
  });

  test('that is not UTF-8 is one too', async (t) => {
    const file = dataFile(t, [good]);
    writeFileSync(file, Buffer.concat([Buffer.from('{"prompt": "'), Buffer.of(0xff), Buffer.from('"}\n')]));
    const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
    await assert.rejects(loadExamples(file, tokenizer, OPTIONS), { message: /:1: not UTF-8 text;/ });
  });

  test('may be skipped, counted by reason', async (t) => {
    const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
    const bad = Object.values(cases);
    const file = dataFile(t, [good, ...bad, ...bad, good]);
    const { examples, report } = await loadExamples(file, tokenizer, { ...OPTIONS, skipBadRows: true });
    assert.deepEqual(report.skipped, new Map(Object.keys(cases).map((reason) => [reason, 2])));
    assert.deepEqual(
      examples.map(({ row }) => row),
      [0, 2 * bad.length + 1],
    );
  });
});

describe('labels', () => {
  const rows = [
    { prompt: 'a', completion: 'c', label: true },
    { prompt: 'a', completion: 'c', label: false },
    { prompt: 'a', completion: 'c' },
    { prompt: 'a', completion: 'c', label: null },
  ];

  test('sft may do without, and leaves out the undesirable rows', async (t) => {
    const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
    const { examples, report } = await loadExamples(dataFile(t, rows), tokenizer, {
      ...OPTIONS,
      rows: 'desirable',
    });
    assert.deepEqual(
      examples.map(({ row, desirable }) => [row, desirable]),
      [
        [0, true],
        [2, null],
        [3, null],
      ],
    );
    assert.equal(report.leftOut, 1);
    assert.equal(report.used, 3);
    assert.equal(report.desirable, 1);
    assert.equal(report.undesirable, 0);
  });
});

describe('the file', () => {
  const row = { prompt: 'a', completion: 'c', label: true };

  test('may be one JSON array', async (t) => {
    const expected = await idsOfRows(t, [row, row]);
    assert.deepEqual(await idsOfRows(t, [JSON.stringify([row, row], null, 2)]), expected);
  });

  test('of a JSON array counts rows where it has no lines', async (t) => {
    assert.match(await failure(t, [JSON.stringify([row, 3])]), /^FILE\[1\]: not a JSON object;/);
  });

  test('that begins as an array but is none is an error', async (t) => {
    assert.match(await failure(t, ['[{}', '}']), /begins with "\[" but is not a JSON array/);
  });

  test('breaks lines at \\n and \\r\\n only, and may begin with a byte order mark', async (t) => {
    const rows = [
      '\ufeff' + JSON.stringify(row) + '\r',
      '{"prompt":"a","completion":"c","label":true,"x":"\u2028"}',
    ];
    assert.deepEqual(await idsOfRows(t, rows), await idsOfRows(t, [row, row]));
  });

  test('that does not exist is an error', async (t) => {
    const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
    await assert.rejects(loadExamples('/nowhere/rows.jsonl', tokenizer, OPTIONS), {
      name: 'ConfigError',
      message: /cannot read \/nowhere\/rows.jsonl/,
    });
  });

  test('without any usable row is an error that says what became of the rows', async (t) => {
    const rows = [{ ...row, label: false }, '3'];
    const options: LoadOptions = { ...OPTIONS, rows: 'desirable', skipBadRows: true };
    const advice = '; "prospect data inspect FILE" shows what it holds, and how to convert it';
    assert.equal(
      await failure(t, rows, options),
      `FILE: no usable row of 2 (1 skipped: not a JSON object; 1 undesirable, which sft leaves out)${advice}`,
    );
    assert.equal(await failure(t, []), `FILE: no usable row of 0${advice}`);
  });

  test('longer than one read is put together right', async (t) => {
    const rows = Array.from({ length: 3000 }, (_, i) => ({
      prompt_ids: [1, i % VOCAB_SIZE],
      completion_ids: [2, (i * 7) % VOCAB_SIZE, 0],
      label: i % 3 === 0,
      note: '·'.repeat(i % 97),
    }));
    const ids = await idsOfRows(t, rows);
    assert.deepEqual(
      ids,
      rows.map((row) => [row.prompt_ids, row.completion_ids]),
    );
  });
});

test('other work has its turn while a file is read', async (t) => {
  const rows = Array.from({ length: 50 }, () => ({ prompt: 'a', completion: 'c', label: true }));
  const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
  const file = dataFile(t, rows);
  let nowMs = 0;
  t.mock.method(performance, 'now', () => (nowMs += 10));
  let loaded = false;
  let turns = 0;
  const countTurns = () => {
    if (loaded) return;
    turns += 1;
    setImmediate(countTurns);
  };
  setImmediate(countTurns);
  await loadExamples(file, tokenizer, OPTIONS);
  loaded = true;
  assert.ok(turns >= rows.length, `${turns} turns`);
});

test('reading ends where it is called off, with the reason', async (t) => {
  const rows = Array.from({ length: 50 }, () => ({ prompt: 'a', completion: 'c', label: true }));
  const stop = new AbortController();
  const read: string[] = [];
  const watcher = {
    bad: () => assert.fail('a sound row is bad'),
    answer: (where: string) => {
      read.push(where);
      if (read.length === 3) stop.abort(new Error('cancelled'));
    },
  };
  const tokenizer = TextTokenizer.load(modelDirectory(t, TURNS));
  const loading = loadExamples(dataFile(t, rows), tokenizer, { ...OPTIONS, watcher, signal: stop.signal });
  await assert.rejects(loading, { message: 'cancelled' });
  assert.equal(read.length, 3);
});
