import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { TextTokenizer } from '../../coordinator/data/tokenizer.js';
import { fixturePath } from '../parity/fixtures.js';
import { prospect, startProspect, temporaryDirectory } from './prospect.js';

const model = fixturePath('models/llama');

interface Reply {
  readonly index: number;
  readonly prompt: string;
  readonly completion: string;
  readonly completion_tokens: number;
  readonly finish_reason: string;
}

async function repliesOf(...args: string[]): Promise<Reply[]> {
  const { code, stdout, stderr } = await prospect(['generate', '--json', ...args]);
  assert.equal(code, 0, stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Reply);
}

describe('prospect generate', () => {
  test('the same seed gives the same reply, printed while it comes or as JSON', async () => {
    const args = ['--model', model, '--prompt', 'The cat', '--max-tokens', '12', '--seed', '3', '--raw'];
    const [reply] = await repliesOf(...args);
    assert.equal(reply!.prompt, 'The cat');
    assert.ok(reply!.completion_tokens <= 12);
    const streamed = await prospect(['generate', ...args]);
    assert.equal(streamed.stdout, `${reply!.completion}\n`);
    assert.match(streamed.stderr, /^\d+ tokens, \d+\.\d tokens\/s\n$/);
    const [other] = await repliesOf(...args, '--seed', '4');
    assert.notEqual(other!.completion, reply!.completion);
  });

  test('answers the rows of a file in their order, text and messages, as training reads them', async (t) => {
    const directory = temporaryDirectory(t);
    const chatModel = join(directory, 'model');
    cpSync(model, chatModel, { recursive: true });
    writeFileSync(
      join(chatModel, 'chat_template.jinja'),
      '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}',
    );
    const rows = [
      { prompt: 'A long prompt comes first, and is answered first, too' },
      { prompt: 'Short' },
      { prompt: [{ role: 'user', content: 'Hello' }], label: true },
    ];
    const file = join(directory, 'prompts.jsonl');
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const options = ['--model', chatModel, '--temperature', '0', '--max-tokens', '5'];
    const replies = await repliesOf(...options, '--prompts', file);
    assert.deepEqual(
      replies.map(({ index, prompt }) => [index, prompt]),
      [
        [0, rows[0]!.prompt],
        [1, 'Short'],
        [2, 'user: Hello\nassistant:'],
      ],
    );
    const withoutIndex = ({ prompt, completion }: Reply) => ({ prompt, completion });
    assert.deepEqual(
      withoutIndex((await repliesOf(...options, '--prompt', 'Hello'))[0]!),
      withoutIndex(replies[2]!),
    );
    const [raw] = await repliesOf(...options, '--prompt', 'Short', '--raw');
    assert.deepEqual(withoutIndex(raw!), withoutIndex(replies[1]!));
  });

  test("ends a reply at the tokenizer's end of sequence, which training puts there", async (t) => {
    const directory = temporaryDirectory(t);
    const args = ['--prompt', 'The cat', '--raw', '--temperature', '0', '--max-tokens', '3'];
    const [plain] = await repliesOf('--model', model, ...args);
    const [firstId] = TextTokenizer.load(model).encode(plain!.completion, { specialTokens: false });
    const ending = join(directory, 'model');
    cpSync(model, ending, { recursive: true });
    const { vocab } = (
      JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8')) as {
        model: { vocab: Record<string, number> };
      }
    ).model;
    const [eosToken] = Object.entries(vocab).find(([, id]) => id === firstId)!;
    writeFileSync(join(ending, 'tokenizer_config.json'), JSON.stringify({ eos_token: eosToken }));
    const [reply] = await repliesOf('--model', ending, ...args);
    assert.deepEqual(
      { completion: reply!.completion, reason: reply!.finish_reason },
      { completion: '', reason: 'stop' },
    );
  });

  for (const [what, args, message] of [
    ['no prompt', [], /give --prompt TEXT or --prompts FILE/],
    ['two sources of prompts', ['--prompt', 'a', '--prompts', 'b'], /cannot be used with option/],
    ['an empty prompt', ['--prompt', ''], /must not be empty/],
    ['a temperature below 0', ['--prompt', 'a', '--temperature', '-1'], /must be a number of at least 0/],
    ['a top-p of 0', ['--prompt', 'a', '--top-p', '0'], /must be greater than 0 and at most 1/],
    ['a file that is not there', ['--prompts', 'no-such-file'], /no-such-file/],
  ] as const) {
    test(`refuses ${what} with exit code 2`, async () => {
      const { code, stderr } = await prospect(['generate', '--model', model, ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }

  test('Ctrl-C ends it', async () => {
    const args = ['--model', model, '--prompt', 'a', '--max-tokens', '100000', '--temperature', '5'];
    const { process: child, finished } = startProspect(['generate', ...args]);
    child.stdout!.once('data', () => child.kill('SIGINT'));
    const { code, signal } = await finished;
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGINT' });
  });
});
