import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import type { PartWork } from '../../../../worker/compute/part-work.js';
import { SideThreads } from '../../../../worker/compute/side-threads.js';
import { BLOCK_SIZE, type Range } from '../../../../worker/parameters/layout.js';
import { randomFrom, sameBits } from '../../../support/leaves.js';

const SIZE = 101 * BLOCK_SIZE;
const settings = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8 };

const shared = () => new Float32Array(new SharedArrayBuffer(SIZE * Float32Array.BYTES_PER_ELEMENT));

function filled(random: () => number): Float32Array {
  return shared().map(() => random() - 0.5);
}

/** A whole update by so many threads: what it writes. */
function update(threads: SideThreads, seed: number): readonly Float32Array[] {
  const random = randomFrom(seed);
  const [weights, left, right] = [filled(random), filled(random), filled(random)];
  const [gradient, into, mean, variance] = [shared(), shared(), shared(), shared()];
  const squares = new Float64Array(new SharedArrayBuffer(101 * Float64Array.BYTES_PER_ELEMENT));
  const range = { start: 0, end: SIZE };
  const share = (workOf: (cut: (values: Float32Array) => Float32Array, piece: Range) => PartWork) =>
    threads.share(range, (piece) => [workOf((values) => values.subarray(piece.start, piece.end), piece)]);

  share((cut, { start, end }) => ({
    kind: 'finish',
    nodes: [left, right].map((values, leaf) => ({ node: { firstLeaf: leaf, span: 1 }, values: cut(values) })),
    leafCount: 2,
    into: cut(gradient),
    squares: squares.subarray(start / BLOCK_SIZE, end / BLOCK_SIZE),
  }));
  const moments = (cut: (values: Float32Array) => Float32Array) => ({
    mean: cut(mean),
    variance: cut(variance),
  });
  share((cut) => ({
    kind: 'propose',
    weights: cut(weights),
    gradient: cut(gradient),
    into: cut(into),
    moments: moments(cut),
    settings,
    weightDecay: 0.1,
    scale: { step: 1, learningRate: 1e-3, clip: 0.5 },
  }));
  share((cut) => ({ kind: 'fold', gradient: cut(gradient), moments: moments(cut), settings, clip: 0.5 }));
  return [gradient, into, mean, variance, Float32Array.from(squares)];
}

describe('SideThreads', () => {
  const threads = new SideThreads(3);

  test('an update has the same bits by one thread and by three', () => {
    const seed = randomInt(2 ** 31);
    const [alone, together] = [update(new SideThreads(1), seed), update(threads, seed)];
    alone.forEach((values, index) =>
      assert.ok(sameBits(values, together[index]!), `array ${index}, seed ${seed}`),
    );
    assert.ok(alone.every((values) => values.some((value) => value !== 0)));
  });

  test('the threads share a large range, on the block grid, and leave a small one to who calls', () => {
    const piecesOf = (range: Range) => {
      const pieces: Range[] = [];
      threads.share(range, (piece) => {
        pieces.push(piece);
        return [];
      });
      return pieces.sort((a, b) => a.start - b.start);
    };
    const large = piecesOf({ start: BLOCK_SIZE, end: SIZE });
    assert.equal(large.length, 3);
    assert.equal(large[0]!.start, BLOCK_SIZE);
    assert.equal(large.at(-1)!.end, SIZE);
    large.slice(1).forEach(({ start }, index) => {
      assert.equal(start, large[index]!.end);
      assert.equal(start % BLOCK_SIZE, 0);
    });
    assert.deepEqual(piecesOf({ start: 0, end: BLOCK_SIZE }), [{ start: 0, end: BLOCK_SIZE }]);
    assert.deepEqual(piecesOf({ start: 0, end: 0 }), [{ start: 0, end: 0 }]);
  });

  test('what fails on another thread fails here, with its reason, and the threads work on', () => {
    const broken = ({ start }: Range): PartWork[] => [
      {
        kind: 'finish',
        nodes: start === 0 ? [{ node: { firstLeaf: 0, span: 1 }, values: shared() }] : [],
        leafCount: 1,
        into: shared(),
        squares: new Float64Array(new SharedArrayBuffer(101 * Float64Array.BYTES_PER_ELEMENT)),
      },
    ];
    assert.throws(
      () => threads.share({ start: 0, end: SIZE }, broken),
      /a share of an update failed: .*node/,
    );
    update(threads, 1);
  });
});
