import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trainBytePairs } from '../../../../deploy/demo/byte-pair-encoding.js';

test('the most frequent pair is merged first, and a merge may build on one before', () => {
  // Sennrich et al. 2016, figure 1, with its counts: e+s, es+t, l+o, lo+w (there with an end-of-word mark).
  const words = [
    ...Array<string>(5).fill('low'),
    ...Array<string>(2).fill('lower'),
    ...Array<string>(6).fill('newest'),
    ...Array<string>(3).fill('widest'),
  ];
  const { merges, symbols } = trainBytePairs(words, 4);
  assert.deepEqual(merges, [
    ['e', 's'],
    ['es', 't'],
    ['l', 'o'],
    ['lo', 'w'],
  ]);
  assert.equal(symbols.length, 256 + 4);
  assert.deepEqual(symbols.slice(256), ['es', 'est', 'lo', 'low']);
});

test('a space belongs to the word after it, and no merge crosses a border of words', () => {
  const { merges } = trainBytePairs(['a b a b a b'], 10);
  assert.deepEqual(merges, [
    ['Ġ', 'b'],
    ['Ġ', 'a'],
  ]);
});

test('training stops where no pair occurs twice', () => {
  assert.deepEqual(trainBytePairs(['abc'], 10).merges, []);
});

test('every byte has a symbol of its own', () => {
  const { symbols } = trainBytePairs([], 0);
  assert.equal(new Set(symbols).size, 256);
});
