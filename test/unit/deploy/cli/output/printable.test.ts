import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { beginningOf, endOf, printable } from '../../../../../deploy/cli/output/printable.js';

describe('a text that others wrote', () => {
  test('is one line, as it reads', () => {
    assert.equal(printable(' Hi,\n\n\tthere  👩‍🚀 — “ok” \r\n'), 'Hi, there 👩‍🚀 — “ok”');
    assert.equal(printable('a\t\u0000\tb'), 'a b');
  });

  test('of any characters does nothing to a terminal but to be shown', () => {
    const unit = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        const shown = printable(`${text}\u001b[2J\u009b31m\u202e\ud83d`);
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u);
        assert.equal(printable(shown), shown);
      }),
    );
  });
});

test('the end and the beginning are no longer than asked for, and have whole characters', () => {
  assert.equal(endOf('abc', 3), 'abc');
  assert.equal(beginningOf('abc', 3), 'abc');
  assert.equal(endOf('abcd', 3), '…cd');
  assert.equal(beginningOf('abcd', 3), 'ab…');
  assert.equal(endOf('a😀😀😀', 3), '…😀😀');
  assert.equal(beginningOf('😀😀😀a', 3), '😀😀…');
});
