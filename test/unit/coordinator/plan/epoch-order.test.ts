import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shuffledOrder } from '../../../../coordinator/plan/epoch-order.js';
import { example, examplesArbitrary } from './examples.js';

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const epochs = fc.integer({ min: 0, max: 20 });

test('every example comes once in an epoch', () => {
  fc.assert(
    fc.property(examplesArbitrary(60), seeds, epochs, (examples, seed, epoch) => {
      const order = shuffledOrder(examples, seed, epoch);
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        examples.map((_, index) => index),
      );
    }),
  );
});

test('any window holds its share of each class, rounded down or up', () => {
  fc.assert(
    fc.property(
      examplesArbitrary(60),
      seeds,
      epochs,
      fc.integer({ min: 1, max: 16 }),
      (examples, seed, epoch, size) => {
        const bad = shuffledOrder(examples, seed, epoch).map((index) => examples[index]!.desirable === false);
        const window = Math.min(size, bad.length);
        const share = (window * bad.filter(Boolean).length) / bad.length;
        for (let start = 0; start + window <= bad.length; start += 1) {
          const held = bad.slice(start, start + window).filter(Boolean).length;
          assert.ok(
            Math.floor(share) <= held && held <= Math.ceil(share),
            `${held} of ${share} from ${start}`,
          );
        }
      },
    ),
  );
});

test('seed and epoch decide the order', () => {
  const examples = Array.from({ length: 64 }, (_, row) => example(row, [1], [1], row % 3 > 0));
  assert.deepEqual(shuffledOrder(examples, 7, 2), shuffledOrder(examples, 7, 2));
  const orders = [0, 1, 2].flatMap((seed) =>
    [0, 1, 2].map((epoch) => shuffledOrder(examples, seed, epoch).join()),
  );
  assert.equal(new Set(orders).size, orders.length);
});

test('each example is as likely at each place', () => {
  const examples = Array.from({ length: 8 }, (_, row) => example(row, [1], [1], row < 2));
  const epochCount = 4000;
  const counts = examples.map(() => new Array<number>(examples.length).fill(0));
  for (let epoch = 0; epoch < epochCount; epoch += 1) {
    shuffledOrder(examples, epoch, epoch % 3).forEach((index, place) => {
      counts[index]![place]! += 1;
    });
  }
  const expected = epochCount / examples.length;
  const deviation = Math.sqrt(expected * (1 - 1 / examples.length));
  for (const places of counts) {
    for (const count of places)
      assert.ok(Math.abs(count - expected) < 6 * deviation, `${count} of ${expected}`);
  }
});
