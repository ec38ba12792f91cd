import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cutIntoLeaves } from '../../../../coordinator/plan/leaves.js';

const lengthLists = fc.array(fc.integer({ min: 2, max: 500 }), { minLength: 1, maxLength: 80 });
const microBatchSizes = fc.integer({ min: 1, max: 9 });

describe('leaves', () => {
  test('share a batch out among them, all but one of full size', () => {
    fc.assert(
      fc.property(lengthLists, microBatchSizes, (lengths, microBatchSize) => {
        const leaves = cutIntoLeaves(lengths, microBatchSize);
        assert.deepEqual(
          leaves.flat().sort((a, b) => a - b),
          lengths.map((_, position) => position),
        );
        assert.equal(leaves.length, Math.ceil(lengths.length / microBatchSize));
        assert.ok(leaves.filter(({ length }) => length !== microBatchSize).length <= 1);
      }),
    );
  });

  test('hold examples of neighbouring lengths', () => {
    fc.assert(
      fc.property(lengthLists, microBatchSizes, (lengths, microBatchSize) => {
        const spans = cutIntoLeaves(lengths, microBatchSize).map((leaf) => {
          const held = leaf.map((position) => lengths[position]!);
          return [Math.min(...held), Math.max(...held)] as const;
        });
        spans.sort(([minA, maxA], [minB, maxB]) => minA - minB || maxA - maxB);
        for (let i = 1; i < spans.length; i += 1) assert.ok(spans[i - 1]![1] <= spans[i]![0]);
      }),
    );
  });

  test('of equal lengths keep the batch in order', () => {
    assert.deepEqual(cutIntoLeaves([5, 5, 5, 5], 4), [[0, 1, 2, 3]]);
    assert.deepEqual(cutIntoLeaves([5, 5, 5, 5], 2), [
      [0, 1],
      [2, 3],
    ]);
  });

  test('are dealt as in the draw of a tournament', () => {
    const lengths = [80, 70, 60, 50, 40, 30, 20, 10];
    assert.deepEqual(cutIntoLeaves(lengths, 1).flat(), [0, 7, 3, 4, 1, 6, 2, 5]);
    assert.deepEqual(cutIntoLeaves(lengths.slice(0, 6), 1).flat(), [0, 3, 4, 1, 2, 5]);
  });

  test('balance: the halves differ by less than the longest leaf', () => {
    const fullTrees = fc
      .integer({ min: 1, max: 6 })
      .chain((levels) =>
        fc.array(fc.integer({ min: 2, max: 500 }), { minLength: 2 ** levels, maxLength: 2 ** levels }),
      );
    fc.assert(
      fc.property(fullTrees, (lengths) => {
        const work = cutIntoLeaves(lengths, 1).map(([position]) => lengths[position!]!);
        const half = work.length / 2;
        const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
        assert.ok(Math.abs(sum(work.slice(0, half)) - sum(work.slice(half))) <= Math.max(...lengths));
      }),
    );
  });
});
