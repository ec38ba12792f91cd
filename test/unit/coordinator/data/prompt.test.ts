import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { encodeAnswer } from '../../../../coordinator/data/encode-row.js';
import { encodePrompt, parsePrompt } from '../../../../coordinator/data/prompt.js';
import { TextTokenizer } from '../../../../coordinator/data/tokenizer.js';
import { idsOf, modelDirectory, tinyTokenizer } from './tiny-model.js';

const template =
  '{% for m in messages %}<s>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<s>{% endif %}';

describe('a prompt that is to be answered', () => {
  test('has the ids that training has in front of a completion', (t) => {
    const config = { eos_token: '</s>', chat_template: template };
    const tokenizer = TextTokenizer.load(modelDirectory(t, { 'tokenizer_config.json': config }));
    const text = encodePrompt('ab', tokenizer);
    assert.deepEqual(
      text.ids,
      encodeAnswer({ kind: 'text', prompt: 'ab', completion: '7' }, tokenizer).promptIds,
    );
    assert.deepEqual([...text.ids], idsOf('ab'));
    assert.equal(text.text, 'ab');

    const messages = [{ role: 'user', content: 'a' }];
    const chat = encodePrompt(messages, tokenizer);
    assert.deepEqual(
      chat.ids,
      encodeAnswer(
        { kind: 'chat', prompt: messages, completion: { role: 'assistant', content: '8' } },
        tokenizer,
      ).promptIds,
    );
    assert.deepEqual([...chat.ids], idsOf('<s>', 'a', '<s>'));
    assert.equal(chat.text, '<s>a<s>');
  });

  test('loses the end of sequence that the tokenizer puts behind every text', (t) => {
    const post_processor = {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '<s>': { id: '<s>', ids: idsOf('<s>'), tokens: ['<s>'] },
        '</s>': { id: '</s>', ids: idsOf('</s>'), tokens: ['</s>'] },
      },
    };
    const directory = modelDirectory(t, {
      'tokenizer.json': { ...tinyTokenizer(), post_processor },
      'tokenizer_config.json': { eos_token: '</s>' },
    });
    const { ids } = encodePrompt('a', TextTokenizer.load(directory));
    assert.deepEqual([...ids], idsOf('<s>', 'a'));
  });

  test('is refused without a token, and where the chat template refuses it', (t) => {
    const refusing = "{{ raise_exception('no such role') }}";
    const config = { eos_token: '</s>', chat_template: refusing };
    const tokenizer = TextTokenizer.load(modelDirectory(t, { 'tokenizer_config.json': config }));
    assert.throws(() => encodePrompt('', tokenizer), { name: 'BadRow', message: /no token/ });
    assert.throws(() => encodePrompt([{ role: 'x', content: 'a' }], tokenizer), {
      name: 'BadRow',
      message: /the chat template refuses the messages: .*no such role/,
    });
    const plain = TextTokenizer.load(modelDirectory(t));
    assert.throws(() => encodePrompt([{ role: 'x', content: 'a' }], plain), { name: 'ConfigError' });
  });
});

describe('the prompt of a row', () => {
  test('is text or messages', () => {
    assert.equal(parsePrompt({ prompt: 'a', label: true }), 'a');
    const messages = [{ role: 'user', content: 'a' }];
    assert.deepEqual(parsePrompt({ prompt: messages }), messages);
  });

  for (const [what, row] of Object.entries({
    'prompt is missing': { completion: 'a' },
    'prompt is neither text nor a list of messages': { prompt: 7 },
    'prompt holds no message': { prompt: [] },
    'prompt holds a message without a role or content that is text': { prompt: [{ role: 'user' }] },
  })) {
    test(`is refused: ${what}`, () => {
      assert.throws(() => parsePrompt(row), { name: 'BadRow', message: what });
    });
  }
});
