import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  layOut,
  ownedRange,
  type ParameterLayout,
  type Range,
} from '../../../../../worker/parameters/layout.js';
import { heldRanges, type Place } from '../../../../../worker/parameters/optimizer-part.js';
import { planMovements } from '../../../../../worker/trainer/state/movements.js';

const layoutOf = (blocks: number) => layOut([{ name: 'w', shape: [8192 * blocks] }]);

/** The blocks of a range, as numbers: what is moved is checked one by one. */
const blocksOf = ({ start, end }: Range) =>
  Array.from({ length: (end - start) / 8192 }, (_, i) => start / 8192 + i);

/** A generation after some of `oldSize` ranks went, in any order, with newcomers among them. */
const generations = fc
  .record({
    blocks: fc.integer({ min: 1, max: 40 }),
    oldSize: fc.integer({ min: 1, max: 6 }),
    newcomers: fc.integer({ min: 0, max: 3 }),
    seed: fc.infiniteStream(fc.nat()),
  })
  .map(({ blocks, oldSize, newcomers, seed }) => {
    const next = () => seed.next().value as number;
    const survivors = Array.from({ length: oldSize }, (_, rank) => rank).filter(() => next() % 4 > 0);
    const held: (Place | null)[] = [
      ...survivors.map((rank) => ({ rank, worldSize: oldSize })),
      ...Array.from({ length: newcomers }, () => null),
    ];
    for (let i = held.length - 1; i > 0; i--) {
      const j = next() % (i + 1);
      [held[i], held[j]] = [held[j]!, held[i]!];
    }
    return { layout: layoutOf(blocks), oldSize, held };
  });

/** Whether each part of the old partition that has any blocks is with its owner or its second owner. */
function isCovered(layout: ParameterLayout, oldSize: number, held: readonly (Place | null)[]): boolean {
  const present = new Set(held.map((place) => place?.rank));
  return Array.from({ length: oldSize }, (_, part) => part).every((part) => {
    const { start, end } = ownedRange(layout, part, oldSize);
    return start === end || present.has(part) || present.has((part + 1) % oldSize);
  });
}

describe('planMovements', () => {
  test('gives every rank what it lacks, exactly once, from one that holds it', () => {
    fc.assert(
      fc.property(generations, ({ layout, oldSize, held }) => {
        if (!isCovered(layout, oldSize, held)) {
          assert.throws(() => planMovements(layout, held), RangeError);
          return;
        }
        const movements = planMovements(layout, held);
        for (const { what, from, to, range } of movements) {
          const giver = held[from]!;
          const holds = heldRanges(layout, giver);
          if (what === 'moments')
            assert.ok(holds.some(({ start, end }) => start <= range.start && range.end <= end));
          assert.notEqual(from, to);
        }
        held.forEach((place, to) => {
          const got = (what: string) =>
            movements
              .filter((each) => each.to === to && each.what === what)
              .flatMap(({ range }) => blocksOf(range));
          const all = blocksOf({ start: 0, end: layout.size });
          assert.deepEqual(
            got('weights').sort((a, b) => a - b),
            place === null ? all : [],
          );
          const had = new Set(place === null ? [] : heldRanges(layout, place).flatMap(blocksOf));
          const needed = heldRanges(layout, { rank: to, worldSize: held.length }).flatMap(blocksOf);
          assert.deepEqual(
            got('moments').sort((a, b) => a - b),
            needed.filter((block) => !had.has(block)).sort((a, b) => a - b),
          );
        });
      }),
    );
  });

  test('moves nothing where nothing changed', () => {
    const held = [0, 1, 2].map((rank) => ({ rank, worldSize: 3 }));
    assert.deepEqual(planMovements(layoutOf(7), held), []);
  });
});
