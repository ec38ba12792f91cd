import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createStyle } from '../../../../deploy/cli/output/style.js';
import type { Output } from '../../../../deploy/cli/output/terminal.js';
import { buildProgram } from '../../../../deploy/cli/program.js';
import { modelDirectory, temporaryDirectory } from '../../coordinator/data/tiny-model.js';

/** Runs a command line. Resolves to what it printed as its result. */
async function run(args: readonly string[], coloured = false): Promise<string> {
  let printed = '';
  const output: Output = {
    style: createStyle(coloured),
    write: (text) => void (printed += text),
    line: (text) => void (printed += `${text}\n`),
    interactive: coloured,
    ready: () => Promise.resolve(true),
    columns: () => 80,
  };
  const silent: Output = { ...output, write: () => undefined, line: () => undefined };
  await buildProgram({ out: output, err: silent }).parseAsync(args, { from: 'user' });
  return printed;
}

const jsonLines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('prospect data convert', () => {
  test('prints the format that it found and what became of the rows', async (t) => {
    const dir = temporaryDirectory(t);
    const [input, output] = [join(dir, 'reviews.csv'), join(dir, 'binary.jsonl')];
    writeFileSync(input, 'prompt,completion,stars\nq,a,5\nq,b,3\nq,"c\nd",1\nq,,4\nq,e,3\n');
    const options = ['--to', 'binary', '--out', output, '--threshold', '3', '--neutral', '0'];
    assert.equal(
      await run(['data', 'convert', input, ...options]),
      [
        `${input}: rows of trl, score from "stars"`,
        '5 rows read: 2 converted, 3 rejected',
        `  2: score is in the neutral band (first: ${input}:3)`,
        `  1: completion is missing (first: ${input}:6)`,
        `2 rows written to ${output}: 1 desirable, 1 undesirable`,
        '',
      ].join('\n'),
    );
    assert.equal(
      readFileSync(output, 'utf8'),
      jsonLines([
        { prompt: 'q', completion: 'a', label: true },
        { prompt: 'q', completion: 'c\nd', label: false },
      ]),
    );
    assert.deepEqual(readdirSync(dir).toSorted(), ['binary.jsonl', 'reviews.csv']);
  });

  test('reads a table of other names, where its cells are text, and says from which column', async (t) => {
    const dir = temporaryDirectory(t);
    const [input, output] = [join(dir, 'export.tsv'), join(dir, 'rows.jsonl')];
    writeFileSync(input, '\ufeffMail\tOurs\tCSAT\r\n042\ttrue\t5\r\nq\t"a\r\nb"\t1\r\n');
    const columns = ['--prompt-column', 'mail', '--completion-column', 'Ours', '--score-column', 'csat'];
    const printed = await run(['data', 'convert', input, '--to', 'score', '--out', output, ...columns]);
    const [first] = printed.split('\n');
    assert.equal(
      first,
      `${input}: rows of table, prompt from "Mail", completion from "Ours", score from "CSAT"`,
    );
    const row = (prompt: string, completion: string, score: number) => ({
      prompt: [{ role: 'user', content: prompt }],
      completion: [{ role: 'assistant', content: completion }],
      score,
    });
    assert.equal(readFileSync(output, 'utf8'), jsonLines([row('042', 'true', 5), row('q', 'a\nb', 1)]));
  });

  test('refuses a column that no row has, and says which there are', async (t) => {
    const dir = temporaryDirectory(t);
    const input = join(dir, 'reviews.csv');
    writeFileSync(input, `question,answer,stars,late\n${'q,a,1,\n'.repeat(30)}q,a,5,x\n`);
    const convert = (name: string) =>
      run(['data', 'convert', input, '--to', 'score', '--out', join(dir, 'out'), '--score-column', name]);
    await assert.rejects(convert('star'), {
      name: 'ConfigError',
      message: `--score-column star: no row of ${input} has a value there; its columns: question, answer, stars, late`,
    });
    await assert.rejects(convert('late'), {
      message: /none of 31 rows can be converted \(30: score is missing;/,
    });
    assert.deepEqual(readdirSync(dir), ['reviews.csv']);
  });

  const contradictions = {
    'columns of a table in another format': ['--to', 'binary', '--from', 'hh', '--prompt-column', 'q'],
    'one answer and pairs': ['--to', 'preference', '--one-per-prompt'],
    'a seed without a choice': ['--to', 'binary', '--seed', '1'],
    'a threshold for scores that are kept': ['--to', 'score', '--threshold', '3'],
    'a neutral band without a threshold': ['--to', 'binary', '--neutral', '1'],
  };
  for (const [what, options] of Object.entries(contradictions)) {
    test(`refuses ${what}`, async () => {
      await assert.rejects(run(['data', 'convert', 'in', '--out', 'out', ...options]), {
        name: 'ConfigError',
      });
    });
  }

  test('refuses values that mean nothing, and names itself in the advice', async () => {
    for (const options of [
      ['--to', 'ranking'],
      ['--to', 'binary', '--threshold', 'high'],
      ['--to', 'binary', '--neutral', '-1'],
      ['--to', 'binary', '--seed', '0.5'],
    ]) {
      await assert.rejects(run(['data', 'convert', 'in', '--out', 'out', ...options]), {
        name: 'CommanderError',
        exitCode: 1,
      });
    }
  });
});

describe('prospect data inspect without a model', () => {
  test('prints columns, values, and how to make rows for training of them', async (t) => {
    const file = join(temporaryDirectory(t), 'reviews.csv');
    const rows = Array.from(
      { length: 25 },
      (_, i) => `${i},"Where, please,\n${i}?",Here.,${1 + (i % 5)}\r\n`,
    );
    const odd = '25,q,"",five\r\n26,a\r\n';
    writeFileSync(file, `\ufeffNo,Question,Answer,Stars\r\n${rows.join('')}${odd}`);
    assert.equal(
      (await run(['data', 'inspect', file])).replaceAll(file, 'FILE'),
      [
        'FILE: 27 rows',
        'column    filled  values',
        '────────────────────────',
        'No            26  0, …',
        'Question      26  "Where, please,\\n0?", …',
        'Answer        26  "Here." ×25, "" ×1',
        'Stars         26  1 ×5, 2 ×5, 3 ×5, 4 ×5, 5 ×5, "five" ×1',
        '  1: not as many cells as the header has columns (first: FILE:53)',
        '',
        'read as: rows of table, prompt from "Question", completion from "Answer", score from "Stars"',
        'rows for kto of them:',
        '  prospect data convert FILE --to binary --threshold 3 --neutral 0 --out feedback.jsonl',
        '',
      ].join('\n'),
    );
  });

  const endings: Record<string, [row: unknown, ending: RegExp]> = {
    'rows that are fit as they are': [
      { prompt: [], completion: [], label: true },
      /label from "label"\nfit for training as they are; with --model DIR, /,
    ],
    'a table without a judgement': [
      { question: 'q', answer: 'a', CSAT: 5 },
      /\nno column of a label or a score is known: name it with --label-column or --score-column\n$/,
    ],
    pairs: [
      { prompt: 'q', chosen: 'a', rejected: 'b' },
      /read as: rows of trl\n.*\n {2}prospect data convert \S+ --to binary --out feedback\.jsonl\n$/,
    ],
    'a format that nobody knows': [
      { mail: 'q' },
      /columns: mail\): name what was asked and answered with --prompt/,
    ],
    'no JSON': ['', /its first rows are not JSON; a table of text is known by its name/],
  };
  for (const [what, [row, ending]] of Object.entries(endings)) {
    test(`ends with advice for ${what}`, async (t) => {
      const file = join(temporaryDirectory(t), 'rows');
      writeFileSync(file, jsonLines([row]));
      assert.match(await run(['data', 'inspect', file]), ending);
    });
  }

  test('refuses lengths, which nothing counts without a model', async () => {
    await assert.rejects(run(['data', 'inspect', 'f', '--max-length', '4']), { message: /give --model$/ });
  });
});

describe('prospect data inspect', () => {
  const rows = [
    { prompt: 'c', completion: '7', label: true },
    { prompt: 'c', completion: '7', label: false },
    { prompt: 'cccc', completion: '888', label: false },
    { prompt: '', completion: 'a', label: true },
  ];
  const inspect = async (dir: string, model: string, coloured = false) => {
    const file = join(dir, 'rows.jsonl');
    writeFileSync(file, jsonLines(rows));
    const limits = ['--max-length', '6', '--max-prompt-length', '3'];
    return (await run(['data', 'inspect', file, '--model', model, ...limits], coloured)).replaceAll(
      file,
      'FILE',
    );
  };

  test('prints counts, lengths, duplicates, weights and a sample', async (t) => {
    const printed = await inspect(temporaryDirectory(t), modelDirectory(t));
    assert.equal(
      printed,
      [
        'FILE',
        'rows         count',
        '──────────────────',
        'desirable        1',
        'undesirable      2',
        'bad              1',
        'all              4',
        '  1: no token of the prompt stands before the completion (first: FILE:4)',
        '',
        'tokens      min  50 %  90 %  99 %  max  cut',
        '───────────────────────────────────────────',
        'prompt        1     1     4     4    4    1',
        'completion    2     2     4     4    4    1',
        'cut: prompts to their last 3 tokens, completions to what 6 leave',
        '',
        'duplicates: 1 answers repeat an earlier one; 1 different ones are both desirable and undesirable',
        '',
        'weights: desirable_weight: 2, undesirable_weight: 1',
        '  (λ_D·n_D / (λ_U·n_U) is 1.00; the KTO paper recommends 1 to 1.33)',
        '',
        'sample: FILE:1; the trained tokens stand between ⟦ and ⟧',
        'c⟦7</s>⟧',
        '',
      ].join('\n'),
    );
  });

  test('paints the trained tokens where there are colours', async (t) => {
    const printed = await inspect(temporaryDirectory(t), modelDirectory(t), true);
    assert.ok(printed.endsWith('the trained tokens are green\nc\u001b[32m7</s>\u001b[39m\n'), printed);
  });

  test('says how plain text gets the chat template that the model has', async (t) => {
    const template = '{% for m in messages %}{{ m.content }}{% endfor %}';
    const config = { eos_token: '</s>', chat_template: template };
    const model = modelDirectory(t, { 'tokenizer_config.json': config });
    assert.match(
      await inspect(temporaryDirectory(t), model),
      /the prompts are plain text, .*--from table.*\n$/,
    );
  });

  test('refuses a prompt that may fill the whole length', async () => {
    const args = ['data', 'inspect', 'f', '--model', 'm', '--max-length', '4', '--max-prompt-length', '4'];
    await assert.rejects(run(args), { name: 'ConfigError', message: /--max-prompt-length 4 must be less/ });
  });
});
