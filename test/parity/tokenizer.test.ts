import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadExamples } from '../../coordinator/data/load.js';
import type { ChatMessage } from '../../coordinator/data/row.js';
import { TextTokenizer } from '../../coordinator/data/tokenizer.js';

const fixtures = join(import.meta.dirname, '../../../test/parity/fixtures');

interface TokenizerGolden {
  readonly texts: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly ids_no_special: readonly number[];
    readonly decoded_skip_special: string;
    readonly decoded_keep_special: string;
  }[];
  readonly chats: readonly {
    readonly messages: readonly ChatMessage[];
    readonly add_generation_prompt: boolean;
    readonly text: string;
    readonly ids: readonly number[];
  }[];
}

function golden(name: string): unknown {
  return JSON.parse(readFileSync(join(fixtures, 'golden', `${name}.json`), 'utf8'));
}

for (const arch of ['llama', 'gpt2', 'gpt_neox', 'mistral', 'llama_bf16_sharded']) {
  describe(`tokenizer of ${arch} against transformers`, () => {
    const tokenizer = TextTokenizer.load(join(fixtures, 'models', arch));
    const { texts, chats } = golden(`tokenizer_${arch}`) as TokenizerGolden;

    for (const expected of texts) {
      test(JSON.stringify(expected.text), () => {
        const { text, ids } = expected;
        assert.deepEqual(tokenizer.encode(text, { specialTokens: true }), ids);
        assert.deepEqual(tokenizer.encode(text, { specialTokens: false }), expected.ids_no_special);
        assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), expected.decoded_skip_special);
        assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), expected.decoded_keep_special);
      });
    }

    for (const expected of chats) {
      test(`chat: ${JSON.stringify(expected.text)}`, () => {
        const addGenerationPrompt = expected.add_generation_prompt;
        const text = tokenizer.applyChatTemplate(expected.messages, { addGenerationPrompt });
        assert.equal(text, expected.text);
        assert.deepEqual(tokenizer.encode(text, { specialTokens: false }), expected.ids);
      });
    }
  });
}

test('rows of text give the ids that the golden KTO run was trained on', async (t) => {
  interface TrainGolden {
    readonly prompts: readonly string[];
    readonly completions: readonly string[];
    readonly labels: readonly boolean[];
    readonly prompt_ids: readonly (readonly number[])[];
    readonly completion_ids: readonly (readonly number[])[];
  }
  const run = golden('train_llama_full') as TrainGolden;
  const dir = mkdtempSync(join(tmpdir(), 'prospect-parity-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'rows.jsonl');
  const rows = run.prompts.map((prompt, i) => ({
    prompt,
    completion: run.completions[i],
    label: run.labels[i],
  }));
  writeFileSync(file, rows.map((row) => JSON.stringify(row) + '\n').join(''));

  const tokenizer = TextTokenizer.load(join(fixtures, 'models/llama'));
  const { examples } = await loadExamples(file, tokenizer, {
    maxLength: 128,
    maxPromptLength: 64,
    rows: 'labelled',
    skipBadRows: false,
  });

  assert.equal(examples.length, 16);
  assert.deepEqual(
    examples.map(({ promptIds }) => [...promptIds]),
    run.prompt_ids,
  );
  assert.deepEqual(
    examples.map(({ completionIds }) => [...completionIds]),
    run.completion_ids,
  );
  assert.deepEqual(
    examples.map(({ desirable }) => desirable),
    run.labels,
  );
});
