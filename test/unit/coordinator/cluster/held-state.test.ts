import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isComplete,
  isCovered,
  newestGroup,
  type HeldState,
} from '../../../../coordinator/cluster/held-state.js';

/** The parts that a worker of this rank has: its own, and that of the rank before it. */
const partsOf = (rank: number, worldSize: number) => [rank, (rank - 1 + worldSize) % worldSize];

const world = fc.integer({ min: 1, max: 9 }).chain((worldSize) =>
  fc.record({
    worldSize: fc.constant(worldSize),
    ranks: fc.uniqueArray(fc.integer({ min: 0, max: worldSize - 1 }), { maxLength: worldSize }),
  }),
);

test('ranks cover a partition exactly where every part is with one of them', () => {
  fc.assert(
    fc.property(world, ({ worldSize, ranks }) => {
      const parts = new Set(ranks.flatMap((rank) => partsOf(rank, worldSize)));
      assert.equal(isCovered(new Set(ranks), worldSize), parts.size === worldSize);
    }),
  );
});

test('one of several may go, and with few workers nearly all; the only one may not', () => {
  for (const worldSize of [2, 3, 4, 7]) {
    const ranks = Array.from({ length: worldSize }, (_, rank) => rank);
    for (const gone of ranks) {
      assert.ok(
        isCovered(new Set(ranks.filter((rank) => rank !== gone)), worldSize),
        `${gone} of ${worldSize}`,
      );
    }
  }
  assert.ok(!isCovered(new Set(), 1));
  // Two neighbours are gone: the part of the first one is lost.
  assert.ok(!isCovered(new Set([0, 3]), 4));
  assert.ok(isCovered(new Set([0, 2]), 4));
});

test('a checkpoint needs every part’s first owner', () => {
  assert.ok(isComplete(new Set([0, 1, 2]), 3));
  assert.ok(!isComplete(new Set([0, 2]), 3));
});

const held = fc.record({
  stage: fc.integer({ min: 1, max: 2 }),
  step: fc.integer({ min: 0, max: 4 }),
  rank: fc.integer({ min: 0, max: 2 }),
  worldSize: fc.integer({ min: 3, max: 4 }),
});

test('the newest group is whole, of the stage, and no later whole one is passed over', () => {
  const wanted = { stage: 1, atMostStep: 3 };
  const isWhole = (holders: readonly (HeldState | null)[], step: number, worldSize: number) => {
    const ranks = holders.flatMap((state) =>
      state?.stage === 1 && state.step === step && state.worldSize === worldSize ? [state.rank] : [],
    );
    return isCovered(new Set(ranks), worldSize);
  };
  fc.assert(
    fc.property(fc.array(fc.option(held), { maxLength: 12 }), (holders) => {
      const found = newestGroup(holders, wanted, isCovered);
      if (found !== null) assert.ok(found.step <= 3 && isWhole(holders, found.step, found.worldSize));
      for (let step = (found?.step ?? -1) + 1; step <= 3; step++) {
        for (const worldSize of [3, 4]) assert.ok(!isWhole(holders, step, worldSize));
      }
    }),
  );
});

test('of two partitions of the same step, the one that more workers hold counts', () => {
  const of = (rank: number, worldSize: number): HeldState => ({ stage: 1, step: 5, rank, worldSize });
  const holders = [of(0, 1), of(0, 3), of(1, 3), of(2, 3)];
  assert.equal(newestGroup(holders, { stage: 1, atMostStep: 5 }, isCovered)?.worldSize, 3);
});
