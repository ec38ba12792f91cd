import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLibraryTokenizer } from '../../../../coordinator/data/tokenizer-library.js';
import { BYTE_LEVEL, idsOf, tinyTokenizer } from './tiny-model.js';

/** Expected: what the Rust library (tokenizers 0.23.3) makes of the same tokenizer.json. */
const CASES = {
  'digits, each on its own': {
    preTokenizer: sequence({ type: 'Digits', individual_digits: true }, BYTE_LEVEL),
    expected: [
      [' ²', ['Ġ', 'Â²']],
      ['a78²b', ['a', '7', '8', 'Â²', 'b']],
      ['a \u0085b', ['a', 'Ġ', 'Âħ', 'b']],
    ],
  },
  'digits, in runs': {
    preTokenizer: sequence({ type: 'Digits', individual_digits: false }, BYTE_LEVEL),
    expected: [
      [' ²', ['Ġ', 'Â²']],
      ['78', ['78']],
      ['a \ufeffb', ['a', 'Ġï', '»', '¿', 'b']],
    ],
  },
  'byte level alone': {
    preTokenizer: BYTE_LEVEL,
    expected: [
      [' ²', ['ĠÂ', '²']],
      ['a \ufeffb', ['a', 'Ġï', '»', '¿', 'b']],
      ['a \u0085b', ['a', 'Ġ', 'Âħ', 'b']],
      ['a\u0085 b', ['a', 'Âħ', 'Ġ', 'b']],
      ['a  b', ['a', 'Ġ', 'Ġ', 'b']],
    ],
  },
} as const;

function sequence(...pretokenizers: readonly unknown[]) {
  return { type: 'Sequence', pretokenizers };
}

for (const [name, { preTokenizer, expected }] of Object.entries(CASES)) {
  describe(`splits as the Rust library does: ${name}`, () => {
    const tokenizer = createLibraryTokenizer(tinyTokenizer(preTokenizer), {});
    for (const [text, tokens] of expected) {
      test(JSON.stringify(text), () => {
        assert.deepEqual(tokenizer.encode(text, { add_special_tokens: false }).ids, idsOf(...tokens));
      });
    }
  });
}
