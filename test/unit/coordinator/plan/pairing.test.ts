import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Example } from '../../../../coordinator/data/example.js';
import { mismatchedCompletion, pairMismatched } from '../../../../coordinator/plan/pairing.js';
import { example } from './examples.js';

/** One example for each letter; equal letters are equal prompts. */
function withPrompts(letters: string): Example[] {
  return Array.from(letters, (letter, row) => example(row, [letter.codePointAt(0)!]));
}

describe('mismatched pairs', () => {
  const cases: [prompts: string, groupSize: number, pairs: (number | null)[], why: string][] = [
    ['abcd', 4, [3, 0, 1, 2], "one group is rotated by one, as in TRL's"],
    ['abcdefgh', 4, [3, 0, 1, 2, 7, 4, 5, 6], 'each group is rotated on its own'],
    ['abcdef', 4, [3, 0, 1, 2, 5, 4], 'a tail is a group of its own'],
    ['abcde', 4, [4, 0, 1, 2, 3], 'a tail of one joins the group before'],
    ['aabb', 4, [2, 3, 0, 1], 'the smallest rotation under which no prompt meets its own'],
    ['aaab', 4, [3, null, null, 2], 'the rotation that brings the fewest together, where each brings some'],
    ['aaaa', 4, [null, null, null, null], 'no pairs among equal prompts'],
    ['a', 4, [null], 'no pair for a single row'],
    ['ab', 1, [null, null], 'no pairs in groups of one'],
    ['', 4, [], 'nothing for nothing'],
  ];
  for (const [prompts, groupSize, pairs, why] of cases) {
    test(why, () => assert.deepEqual(pairMismatched(withPrompts(prompts), groupSize), pairs));
  }

  test('prompts are equal where all of their ids are', () => {
    const examples = [example(0, [1, 2]), example(1, [1]), example(2, [1, 2]), example(3, [2, 1])];
    assert.deepEqual(pairMismatched(examples, 4), [3, 0, 1, 2]);
    const shared = Int32Array.of(1, 2, 1, 2);
    const views = [0, 2].map((at) => ({ ...example(at, [1]), promptIds: shared.subarray(at, at + 2) }));
    assert.deepEqual(pairMismatched(views, 2), [null, null]);
  });

  test('are the best rotation of every group', () => {
    const prompts = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(prompts, fc.integer({ min: 2, max: 12 }), (drawn, groupSize) => {
        const examples = drawn.map((prompt, row) => example(row, [prompt]));
        const pairs = pairMismatched(examples, groupSize);
        assert.equal(pairs.length, examples.length);
        for (const [start, end] of groups(drawn.length, groupSize)) {
          assert.deepEqual(pairs.slice(start, end), bestRotationByTrying(drawn, start, end));
        }
      }),
    );
  });
});

function groups(count: number, groupSize: number): [number, number][] {
  const whole = Math.floor(count / groupSize);
  const bounds = Array.from({ length: whole }, (_, g): [number, number] => [
    g * groupSize,
    (g + 1) * groupSize,
  ]);
  const rest = count - whole * groupSize;
  if (rest === 1 && whole > 0) bounds.at(-1)![1] = count;
  else if (rest > 0) bounds.push([whole * groupSize, count]);
  return bounds;
}

function bestRotationByTrying(prompts: readonly number[], start: number, end: number): (number | null)[] {
  const size = end - start;
  const rotated = (k: number) =>
    Array.from({ length: size }, (_, i) => {
      const donor = start + ((i - k + size) % size);
      return prompts[donor] === prompts[start + i] ? null : donor;
    });
  const nulls = (pairs: readonly (number | null)[]) => pairs.filter((pair) => pair === null).length;
  let best = rotated(1);
  for (let k = 2; k < size; k += 1) if (nulls(rotated(k)) < nulls(best)) best = rotated(k);
  return best;
}

describe('a mismatched completion', () => {
  const donor = example(1, [9], [1, 2, 3, 4]);

  test('is the whole completion where it fits', () => {
    assert.deepEqual(mismatchedCompletion(example(0, [5, 6]), donor, 6), donor.completionIds);
  });

  test('loses its end where it does not', () => {
    assert.deepEqual(mismatchedCompletion(example(0, [5, 6]), donor, 5), Int32Array.of(1, 2, 3));
  });

  test('does not come after a prompt that leaves no room', () => {
    assert.throws(() => mismatchedCompletion(example(0, [5, 6]), donor, 2), RangeError);
  });
});
