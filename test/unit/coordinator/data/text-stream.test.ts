import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TextStream } from '../../../../coordinator/data/text-stream.js';

/** Token ids are the bytes of UTF-8. */
const bytes = {
  decode: (ids: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(ids)),
};

test('hands out text as soon as it is certain, and all of it once', () => {
  const stream = new TextStream(bytes);
  const pieces = [...new TextEncoder().encode('aé€😀b')].map((id) => stream.push(id));
  assert.deepEqual(pieces, ['a', '', 'é', '', '', '€', '', '', '', '😀', 'b']);
  assert.equal(stream.end(), '');
  assert.equal(stream.text, 'aé€😀b');
  assert.equal(stream.tokens, 11);
});

test('at the end it hands out a character that is not complete', () => {
  const stream = new TextStream(bytes);
  assert.deepEqual(
    [0x61, 0xe2, 0x82].map((id) => stream.push(id)),
    ['a', '', ''],
  );
  assert.equal(stream.end(), '\ufffd');
});
