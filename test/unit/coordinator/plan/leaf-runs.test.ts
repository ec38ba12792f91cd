import fc from 'fast-check';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leafRunStarts, partialSumCount } from '../../../../coordinator/plan/leaf-runs.js';

describe('runs of leaves', () => {
  test('cut contiguously, and no run is over an eighth longer than its share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (leafCount, worldSize) => {
          const starts = leafRunStarts(leafCount, worldSize);
          assert.equal(starts.length, worldSize + 1);
          assert.equal(starts[0], 0);
          assert.equal(starts.at(-1), leafCount);
          const lengths = starts.slice(1).map((end, rank) => end - starts[rank]!);
          const share = Math.ceil(leafCount / worldSize);
          assert.ok(Math.min(...lengths) >= (leafCount < worldSize ? 0 : 1), starts.join(' '));
          assert.ok(Math.max(...lengths) <= share * 1.125, starts.join(' '));
        },
      ),
    );
  });

  test('leave the busiest rank as few partial sums as any cuts within that limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 4 }), (leafCount, worldSize) => {
        const best = Math.min(...allCuts(leafCount, worldSize).map((cuts) => mostSums(cuts)));
        assert.equal(mostSums(leafRunStarts(leafCount, worldSize)), best);
      }),
    );
  });

  const cases: [leafCount: number, worldSize: number, starts: number[], why: string][] = [
    [8, 1, [0, 8], 'one rank takes all'],
    [8, 4, [0, 2, 4, 6, 8], 'powers of two are one subtree each'],
    [6, 4, [0, 2, 4, 5, 6], 'the larger runs are the aligned ones'],
    [8, 3, [0, 3, 6, 8], 'few leaves are dealt as equally as can be'],
    [64, 3, [0, 24, 48, 64], 'of many leaves a few are given for aligned cuts'],
    [2, 3, [0, 1, 2, 2], 'the last ranks go without'],
    [0, 2, [0, 0, 0], 'nothing to deal'],
  ];
  for (const [leafCount, worldSize, starts, why] of cases) {
    test(why, () => assert.deepEqual(leafRunStarts(leafCount, worldSize), starts));
  }
});

function mostSums(starts: readonly number[]): number {
  const leafCount = starts.at(-1)!;
  return Math.max(...starts.slice(1).map((end, rank) => partialSumCount(starts[rank]!, end, leafCount)));
}

/** Every way to deal the leaves in which no run is too long and, where there are enough leaves, none is empty. */
function allCuts(leafCount: number, worldSize: number): number[][] {
  const longest = Math.floor(Math.ceil(leafCount / worldSize) * 1.125);
  const shortest = leafCount < worldSize ? 0 : 1;
  let partial = [[0]];
  for (let rank = 0; rank < worldSize; rank += 1) {
    partial = partial.flatMap((cuts) => {
      const lengths = Array.from({ length: longest - shortest + 1 }, (_, i) => shortest + i);
      return lengths.map((length) => [...cuts, cuts.at(-1)! + length]);
    });
  }
  return partial.filter((cuts) => cuts.at(-1) === leafCount);
}

describe('partial sums of a run', () => {
  const cases: [start: number, end: number, leafCount: number, count: number][] = [
    [0, 8, 8, 1],
    [0, 6, 8, 2],
    [2, 6, 8, 2],
    [1, 7, 8, 4],
    [3, 3, 8, 0],
    [4, 7, 7, 1],
    [0, 7, 7, 1],
    [3, 7, 7, 2],
    [4, 7, 8, 2],
  ];
  for (const [start, end, leafCount, count] of cases) {
    test(`[${start}, ${end}) of ${leafCount}: ${count}`, () => {
      assert.equal(partialSumCount(start, end, leafCount), count);
    });
  }
});
