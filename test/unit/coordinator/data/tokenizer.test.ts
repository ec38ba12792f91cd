import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TextTokenizer } from '../../../../coordinator/data/tokenizer.js';
import { ConfigError } from '../../../../lib/errors.js';
import { idOf, modelDirectory, tinyTokenizer } from './tiny-model.js';

const HELLO = [{ role: 'user', content: 'ab' }];

function configError(message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, message);
    return true;
  };
}

describe('the end-of-sequence token', () => {
  const cases: Record<string, Record<string, unknown>> = {
    'named in tokenizer_config.json': { 'tokenizer_config.json': { eos_token: '<s>' } },
    'an object there': { 'tokenizer_config.json': { eos_token: { content: '<s>', lstrip: false } } },
    'before the one of config.json': {
      'tokenizer_config.json': { eos_token: '<s>' },
      'config.json': { eos_token_id: idOf('</s>') },
    },
    'by id in config.json': { 'config.json': { eos_token_id: idOf('<s>') } },
    'the first of generation_config.json': {
      'generation_config.json': { eos_token_id: [idOf('<s>'), idOf('</s>')] },
      'config.json': { eos_token_id: idOf('</s>') },
    },
  };
  for (const [name, files] of Object.entries(cases)) {
    test(name, (t) => assert.equal(TextTokenizer.load(modelDirectory(t, files)).eosId, idOf('<s>')));
  }

  test('is an error where no file names one', (t) => {
    const dir = modelDirectory(t, {});
    assert.throws(() => TextTokenizer.load(dir), configError(/no end-of-sequence token/));
  });

  test('is an error where the tokenizer does not know it', (t) => {
    const dir = modelDirectory(t, { 'tokenizer_config.json': { eos_token: '<end>' } });
    assert.throws(() => TextTokenizer.load(dir), configError(/"<end>" is not in tokenizer.json/));
  });
});

describe('a directory that cannot be used', () => {
  const config = { 'tokenizer_config.json': { eos_token: '</s>' } };
  const cases: Record<string, [files: Record<string, unknown>, message: RegExp]> = {
    'without tokenizer.json': [{ 'tokenizer.json': undefined }, /no tokenizer.json/],
    'with broken JSON': [{ ...config, 'tokenizer.json': '{' }, /tokenizer.json is not JSON/],
    'with a part that the library lacks': [
      { ...config, 'tokenizer.json': tinyTokenizer({ type: 'Whatever' }) },
      /cannot use .*tokenizer.json: .*Whatever/,
    ],
    'with a setting of a wrong type': [
      { 'tokenizer_config.json': { eos_token: 3 } },
      /tokenizer_config.json: eos_token:/,
    ],
    'with a template that does not parse': [
      { ...config, 'chat_template.jinja': '{% if %}' },
      /cannot parse the chat template/,
    ],
  };
  for (const [name, [files, message]] of Object.entries(cases)) {
    test(name, (t) => {
      const dir = modelDirectory(t, files);
      assert.throws(() => TextTokenizer.load(dir), configError(message));
    });
  }
});

describe('the chat template', () => {
  const render = (dir: string): string =>
    TextTokenizer.load(dir).applyChatTemplate(HELLO, { addGenerationPrompt: true });

  test('of chat_template.jinja goes before the one of tokenizer_config.json', (t) => {
    const dir = modelDirectory(t, {
      'tokenizer_config.json': { eos_token: '</s>', chat_template: 'config' },
      'chat_template.jinja': 'file {{ messages[0].content }}{{ eos_token }}',
    });
    assert.equal(render(dir), 'file ab</s>');
  });

  test('is the default one of a list', (t) => {
    const chat_template = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: 'default{% if add_generation_prompt %}!{% endif %}' },
    ];
    const dir = modelDirectory(t, { 'tokenizer_config.json': { eos_token: '</s>', chat_template } });
    assert.equal(render(dir), 'default!');
  });

  test('sees no clock', (t) => {
    const dir = modelDirectory(t, {
      'tokenizer_config.json': { eos_token: '</s>' },
      'chat_template.jinja':
        '{% if strftime_now is defined %}{{ strftime_now("%d %b %Y") }}{% else %}26 Jul 2024{% endif %}',
    });
    assert.equal(render(dir), '26 Jul 2024');
  });

  test('keeps the white space that it begins with', (t) => {
    const dir = modelDirectory(t, {
      'tokenizer_config.json': { eos_token: '</s>' },
      'chat_template.jinja': '\n  {{ messages[0].content }}',
    });
    assert.equal(render(dir), '\n  ab');
  });

  test('that the model lacks is an error that names the model', (t) => {
    const dir = modelDirectory(t);
    assert.throws(() => render(dir), configError(/has no chat template/));
  });
});

test('no ids decode to no text', (t) => {
  const tokenizer = TextTokenizer.load(modelDirectory(t));
  assert.equal(tokenizer.decode([], { skipSpecialTokens: true }), '');
  assert.equal(tokenizer.decode(Int32Array.of(idOf('ab'), idOf('</s>')), { skipSpecialTokens: true }), 'ab');
});

test('the size of the vocabulary is that of the model, where config.json says it', (t) => {
  assert.equal(TextTokenizer.load(modelDirectory(t)).vocabSize, null);
  const files = { 'config.json': { vocab_size: 64, eos_token_id: idOf('</s>') } };
  assert.equal(TextTokenizer.load(modelDirectory(t, files)).vocabSize, 64);
});
