import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { loadExamples, loadPairs } from '../../../../coordinator/data/load.js';
import type { RowUse } from '../../../../coordinator/data/row-use.js';
import { TextTokenizer } from '../../../../coordinator/data/tokenizer.js';
import { idsOf, modelDirectory, temporaryDirectory, VOCAB_SIZE } from './tiny-model.js';

const LIMITS = { maxLength: 16, maxPromptLength: 8, skipBadRows: false };
const MODEL = {
  'tokenizer_config.json': { eos_token: '</s>' },
  'config.json': { vocab_size: VOCAB_SIZE },
  'chat_template.jinja':
    "{% for m in messages %}{{ ('a' if m.role == 'assistant' else 'b') + m.content + '</s>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'a' }}{% endif %}",
};

function prepare(t: TestContext, rows: readonly unknown[]): { file: string; tokenizer: TextTokenizer } {
  const file = join(temporaryDirectory(t), 'rows.jsonl');
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return { file, tokenizer: TextTokenizer.load(modelDirectory(t, MODEL)) };
}

async function pairsOf(t: TestContext, rows: readonly unknown[], limits = LIMITS) {
  const { file, tokenizer } = prepare(t, rows);
  const { examples, report } = await loadPairs(file, tokenizer, limits);
  const ids = examples.map(({ promptIds, chosenIds, rejectedIds }) =>
    [promptIds, chosenIds, rejectedIds].map((part) => [...part]),
  );
  return { ids, report };
}

async function examplesOf(t: TestContext, rows: readonly unknown[], use: RowUse, skipBadRows = false) {
  const { file, tokenizer } = prepare(t, rows);
  return loadExamples(file, tokenizer, { ...LIMITS, skipBadRows, rows: use });
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

describe('pairs', () => {
  test('of text end with EOS', async (t) => {
    const { ids } = await pairsOf(t, [{ prompt: 'c', chosen: '7', rejected: 'a' }]);
    assert.deepEqual(ids, [[idsOf('c'), idsOf('7', '</s>'), idsOf('a', '</s>')]]);
  });

  test('give a token over the border of one completion to both', async (t) => {
    const { ids } = await pairsOf(t, [{ prompt: 'ca', chosen: 'b', rejected: 'c' }]);
    assert.deepEqual(ids, [[idsOf('c'), idsOf('ab', '</s>'), idsOf('a', 'c', '</s>')]]);
  });

  test('of messages are written by the chat template', async (t) => {
    const { ids } = await pairsOf(t, [
      { prompt: [user('c')], chosen: [assistant('7')], rejected: [assistant('8')] },
    ]);
    assert.deepEqual(ids, [[idsOf('b', 'c', '</s>', 'a'), idsOf('7', '</s>'), idsOf('8', '</s>')]]);
  });

  test('may have their prompt in both conversations, and as text beside them', async (t) => {
    const row = { chosen: [user('c'), assistant('7')], rejected: [user('c'), assistant('8')] };
    const expected = [[idsOf('b', 'c', '</s>', 'a'), idsOf('7', '</s>'), idsOf('8', '</s>')]];
    assert.deepEqual((await pairsOf(t, [row])).ids, expected);
    assert.deepEqual((await pairsOf(t, [{ ...row, prompt: 'c' }])).ids, expected);
  });

  test('that are tokenized are taken as they are', async (t) => {
    const { ids } = await pairsOf(t, [{ prompt_ids: [1, 2], chosen_ids: [3], rejected_ids: [4, 5] }]);
    assert.deepEqual(ids, [[[1, 2], [3], [4, 5]]]);
  });

  test('are cut to length, each completion on its own, and counted', async (t) => {
    const rows = [
      { prompt_ids: [1, 2, 3, 4, 5], chosen_ids: [6, 7, 8, 9], rejected_ids: [10] },
      { prompt_ids: [1], chosen_ids: [2, 3, 4, 5, 6, 7], rejected_ids: [2, 3, 4, 5, 6, 7, 8] },
    ];
    const { ids, report } = await pairsOf(t, rows, { ...LIMITS, maxLength: 6, maxPromptLength: 3 });
    assert.deepEqual(ids, [
      [[3, 4, 5], [6, 7, 8], [10]],
      [[1], [2, 3, 4, 5, 6], [2, 3, 4, 5, 6]],
    ]);
    assert.deepEqual([report.used, report.promptsCut, report.completionsCut], [2, 1, 3]);
  });

  const bad: Record<string, unknown> = {
    'chosen is missing': { prompt: 'c', rejected: 'a' },
    'rejected is empty': { prompt: 'c', chosen: '7', rejected: '' },
    'prompt is missing': { chosen: '7', rejected: 'a' },
    'rejected_ids is not a list': { prompt_ids: [1], chosen_ids: [1] },
    'prompt and rejected are neither both text nor both lists of messages': {
      prompt: 'c',
      chosen: 'a',
      rejected: [assistant('a')],
    },
    'chosen and rejected are not one answer each to the same messages': {
      chosen: [user('c'), assistant('7')],
      rejected: [user('a'), assistant('8')],
    },
    'prompt holds no message': { chosen: [assistant('7')], rejected: [assistant('8')] },
  };
  for (const [reason, row] of Object.entries(bad)) {
    test(`that are bad are told: ${reason}`, async (t) => {
      await assert.rejects(pairsOf(t, [row]), (error: Error) => {
        assert.ok(error.message.includes(`rows.jsonl:1: ${reason}; mend the data`), error.message);
        return error.name === 'ConfigError';
      });
    });
  }
});

describe('rows of another kind than a method needs are an error that says how to convert:', () => {
  const pair = { prompt: 'c', chosen: '7', rejected: 'a' };
  const scored = { prompt: 'c', completion: '7', score: 3 };

  for (const use of ['labelled', 'scored', 'any'] as const) {
    test(`pairs, where the rows are ${use}`, async (t) => {
      await assert.rejects(examplesOf(t, [pair, pair], use), {
        name: 'ConfigError',
        message: /:1: holds a pair, .*prospect data convert --to binary.* \(and 1 more bad rows\)/,
      });
    });
  }

  test('answers, where pairs are needed', async (t) => {
    await assert.rejects(pairsOf(t, [{ prompt: 'c', completion: '7', label: true }]), {
      name: 'ConfigError',
      message: /:1: holds one answer .*prospect data convert --to preference/,
    });
  });

  test('scores, where labels are needed', async (t) => {
    await assert.rejects(examplesOf(t, [scored], 'labelled'), {
      name: 'ConfigError',
      message: /:1: label is missing where there is a score .*prospect data convert --to binary --threshold/,
    });
  });

  test('also where bad rows are skipped', async (t) => {
    await assert.rejects(examplesOf(t, [pair, pair], 'labelled', true), {
      name: 'ConfigError',
      message: /no usable row of 2 \(2 skipped: holds a pair.*prospect data convert/,
    });
  });
});

test('a score is handed on, and needed where rows are scored', async (t) => {
  const rows = [
    { prompt: 'c', completion: '7', score: 3.5 },
    { prompt: 'c', completion: '7', score: -1, label: true },
  ];
  const { examples } = await examplesOf(t, rows, 'scored');
  assert.deepEqual(
    examples.map(({ score, desirable }) => [score, desirable]),
    [
      [3.5, null],
      [-1, true],
    ],
  );
  const [unscored] = (await examplesOf(t, [{ prompt: 'c', completion: '7', label: true }], 'labelled'))
    .examples;
  assert.ok(unscored !== undefined && !('score' in unscored));
  await assert.rejects(examplesOf(t, [...rows, { prompt: 'c', completion: '7', label: true }], 'scored'), {
    message: /:3: score is missing/,
  });
});

test('imitation takes the chosen one of a pair, and what is not undesirable', async (t) => {
  const rows = [
    { prompt: 'c', chosen: '7', rejected: 'a' },
    { prompt: 'c', completion: '8' },
    { prompt: 'c', completion: 'b', label: false },
  ];
  const { examples, report } = await examplesOf(t, rows, 'desirable');
  assert.deepEqual(
    examples.map(({ row, completionIds }) => [row, [...completionIds]]),
    [
      [0, idsOf('7', '</s>')],
      [1, idsOf('8', '</s>')],
    ],
  );
  assert.deepEqual([report.rows, report.used, report.leftOut], [3, 2, 1]);
});

describe('conditional imitation', () => {
  /** A model that writes both control tokens as one token each. */
  const conditioned = async (t: TestContext, rows: readonly unknown[]) => {
    const { file, tokenizer } = prepare(t, rows);
    const written: string[] = [];
    t.mock.method(tokenizer, 'encode', (text: string) => {
      written.push(text);
      return Array.from(
        text.replace('<|good|>', '\u0001').replace('<|bad|>', '\u0002'),
        (c) => c.charCodeAt(0) % 22,
      );
    });
    const loaded = await loadExamples(file, tokenizer, {
      ...LIMITS,
      rows: { control: { desirable: '<|good|>', undesirable: '<|bad|>' } },
    });
    return { ...loaded, written };
  };

  test('puts the control token of its label before a completion, of text and of messages', async (t) => {
    const rows = [
      { prompt: 'c', completion: '7', label: true },
      { prompt: [user('c')], completion: [assistant('8')], label: false },
    ];
    const { written } = await conditioned(t, rows);
    assert.deepEqual(written, ['c', 'c<|good|>7', 'bc</s>a', 'bc</s>a<|bad|>8</s>']);
  });

  test('puts its ids before a tokenized completion', async (t) => {
    const { examples } = await conditioned(t, [{ prompt_ids: [5], completion_ids: [6, 7], label: false }]);
    assert.deepEqual([...examples[0]!.completionIds], [2, 6, 7]);
  });

  test('takes both of a pair', async (t) => {
    const { examples, report, written } = await conditioned(t, [{ prompt: 'c', chosen: '7', rejected: '8' }]);
    assert.deepEqual(
      examples.map(({ row, desirable }) => [row, desirable]),
      [
        [0, true],
        [0, false],
      ],
    );
    assert.deepEqual(written, ['c', 'c<|good|>7', 'c', 'c<|bad|>8']);
    assert.deepEqual([report.used, report.desirable, report.undesirable], [1, 1, 1]);
  });

  test('needs labels', async (t) => {
    await assert.rejects(conditioned(t, [{ prompt: 'c', completion: '7' }]), {
      message: /:1: label is missing;/,
    });
  });
});
