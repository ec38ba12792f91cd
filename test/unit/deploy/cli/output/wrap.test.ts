import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrapText } from '../../../../../deploy/cli/output/wrap.js';

test('lines break between words and keep all of them', () => {
  assert.deepEqual(wrapText('the quick brown fox', 9), ['the quick', 'brown fox']);
  assert.deepEqual(wrapText('the quick brown fox', 8), ['the', 'quick', 'brown', 'fox']);
  assert.deepEqual(wrapText('', 10), ['']);
});

test('a word that is too long, and a line break, stay as they are', () => {
  assert.deepEqual(wrapText('an incomprehensible word\nand more', 6), [
    'an',
    'incomprehensible',
    'word',
    'and',
    'more',
  ]);
});
