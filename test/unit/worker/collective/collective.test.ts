import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { rootOf, runsOf } from '../../../../worker/reduction/tree.js';
import {
  allReduceLeaves,
  computeTensor,
  connectedGroup,
  layoutOf,
  type Compute,
} from '../../../support/collectives.js';
import {
  cutIntoRuns,
  randomFrom,
  randomLeaves,
  sameBits,
  shuffled,
  treeSum,
  type Random,
} from '../../../support/leaves.js';
import { waitUntil } from '../../../support/wait-until.js';

const tag = (step: number, phase = 0) => ({ stage: 0, step, phase });
const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (payloads: readonly Uint8Array[]) => payloads.map((payload) => Buffer.from(payload).toString());

describe('all-reduce in the tree order', () => {
  // Blocks of 32 KB: fewer blocks than ranks, chunks that segments cut, more than one chunk per part.
  const spaces = [layoutOf(3), layoutOf(1), layoutOf(40, [5, 39]), layoutOf(90, [45])];

  for (const worldSize of [1, 2, 3, 4]) {
    it(`gives the bits of the tree's definition on ${worldSize} ranks, step after step`, async (t) => {
      const ranks = await connectedGroup(t, worldSize);
      const seed = Date.now();
      t.diagnostic(`seed ${seed}`);
      const random = randomFrom(seed);
      for (let step = 0; step < 8; step++) {
        const layout = spaces[step % spaces.length]!;
        const leafCount = 1 + Math.floor(random() * 7);
        const { leaves } = randomLeaves(leafCount, layout.size, seed + step);
        const runStarts = cutIntoRuns(leafCount, worldSize, random);
        const sums = await Promise.all(
          ranks.map((collective, rank) => allReduceLeaves(collective, rank, layout, leaves, runStarts, step)),
        );
        const expected = treeSum(leaves, rootOf(leafCount));
        for (const sum of sums) assert.ok(sameBits(sum, expected), `step ${step}`);
      }
    });
  }

  for (const worldSize of [1, 2, 3, 4]) {
    it(`gives the same while the values are still computed, in any order, on ${worldSize} ranks`, async (t) => {
      const ranks = await connectedGroup(t, worldSize);
      const seed = Date.now();
      t.diagnostic(`seed ${seed}`);
      const random = randomFrom(seed);
      for (let step = 0; step < 8; step++) {
        const layout = spaces[step % spaces.length]!;
        const leafCount = 1 + Math.floor(random() * 7);
        const { leaves } = randomLeaves(leafCount, layout.size, seed + step);
        const runStarts = cutIntoRuns(leafCount, worldSize, random);
        const sums = await Promise.all(
          ranks.map((collective, rank) =>
            allReduceLeaves(collective, rank, layout, leaves, runStarts, step, tensorByTensor(random)),
          ),
        );
        const expected = treeSum(leaves, rootOf(leafCount));
        for (const sum of sums) assert.ok(sameBits(sum, expected), `step ${step}`);
      }
    });
  }

  it('has sent all but the chunk of the last tensor while that one is still computed', async (t) => {
    const ranks = await connectedGroup(t, 3);
    const layout = layoutOf(288);
    const { leaves } = randomLeaves(3, layout.size, 1);
    const CHUNK_BYTES = 2 ** 20;
    const partBytes = (4 * layout.size) / 3;
    const sums = await Promise.all(
      ranks.map((collective, rank) => {
        const before = collective.traffic.sentBytes;
        const waitForTraffic: Compute = async ({ layout: { tensors }, steps, slots, ready }) => {
          const last = tensors[rank]!;
          for (const place of [...tensors].reverse()) {
            // All of both other ranks' parts, less the chunk with the last tensor, which rank 0 owns.
            const share = 2 * partBytes - (rank === 0 ? 0 : CHUNK_BYTES);
            if (place === last)
              await waitUntil(
                () => collective.traffic.sentBytes - before >= share,
                `${share} bytes of rank ${rank}`,
              );
            computeTensor(place, leaves[rank]!, steps[0]!, slots);
            ready[0]!.add(place.offset);
          }
        };
        return allReduceLeaves(collective, rank, layout, leaves, [0, 1, 2, 3], 0, waitForTraffic);
      }),
    );
    for (const sum of sums) assert.ok(sameBits(sum, treeSum(leaves, rootOf(3))));
  });

  it('receives into the same memory every step', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const layout = layoutOf(4);
    const runs = runsOf([0, 1, 2]);
    const reduce = async (step: number) =>
      Promise.all(
        ranks.map((collective, rank) => {
          const local = [{ node: { firstLeaf: rank, span: 1 }, values: FlatBuffer.allocate(layout) }];
          return collective.reduceScatter(tag(step), layout, local, runs, 2);
        }),
      );
    const memoryOf = (parts: Awaited<ReturnType<typeof reduce>>) => parts.flat().map(({ memory }) => memory);
    const first = memoryOf(await reduce(0));
    const second = memoryOf(await reduce(1));
    assert.equal(first.filter((memory) => memory !== null).length, 2);
    first.forEach((memory, index) => assert.equal(second[index], memory));
  });

  it('sends nothing where there is one rank', async (t) => {
    const [alone] = await connectedGroup(t, 1);
    assert.deepEqual(texts(await alone!.allGather(tag(0), bytes('me'))), ['me']);
    await allReduceLeaves(alone!, 0, layoutOf(2), randomLeaves(3, 2 * 8192, 1).leaves, [0, 3], 1);
    assert.deepEqual(alone!.traffic, {
      sentBytes: 0,
      receivedBytes: 0,
      foreignFrames: 0,
      staleFrames: 0,
      refusedPeers: 0,
    });
  });
});

/** Computes the tensors in a random order, and lets others have a turn now and then. */
function tensorByTensor(random: Random): Compute {
  return async ({ layout, leaves, steps, slots, ready }) => {
    for (const step of steps) {
      for (const place of shuffled(layout.tensors, random)) {
        computeTensor(place, leaves[step.leaf]!, step, slots);
        if (step.completes !== null) ready[step.completes]!.add(place.offset);
        if (random() < 0.2) await nextTurn();
      }
    }
  };
}

describe('allGather', () => {
  it('gives every rank the payloads of all, in the order of the ranks', async (t) => {
    const ranks = await connectedGroup(t, 3);
    const gathered = await Promise.all(
      ranks.map((collective, rank) => collective.allGather(tag(0), bytes(`rank ${rank}`))),
    );
    for (const payloads of gathered) assert.deepEqual(texts(payloads), ['rank 0', 'rank 1', 'rank 2']);
  });

  it('takes payloads of any length, also of none and of more than a frame', async (t) => {
    const ranks = await connectedGroup(t, 3);
    const random = randomFrom(5);
    const payloads = [0, 2 ** 20 - 4, 3_500_000].map((length) =>
      Uint8Array.from({ length }, () => Math.floor(random() * 256)),
    );
    const gathered = await Promise.all(
      ranks.map((collective, rank) => collective.allGather(tag(0), payloads[rank]!)),
    );
    for (const received of gathered)
      received.forEach((payload, rank) => assert.ok(Buffer.from(payload).equals(payloads[rank]!)));
  });

  it('keeps what a faster rank sends for the operation after this one', async (t) => {
    const [slow, fast] = await connectedGroup(t, 2);
    const first = fast!.allGather(tag(0), bytes('a'));
    await slow!.allGather(tag(0), bytes('b'));
    await first;
    const before = slow!.traffic.receivedBytes;
    const second = fast!.allGather(tag(1), bytes('c'));
    await waitUntil(() => slow!.traffic.receivedBytes > before, 'the announcement of step 1');
    assert.deepEqual(texts(await slow!.allGather(tag(1), bytes('d'))), ['d', 'c']);
    assert.deepEqual(texts(await second), ['d', 'c']);
  });

  it('refuses a tag that does not come after the last one, and goes on', async (t) => {
    const ranks = await connectedGroup(t, 2);
    await Promise.all(ranks.map((collective) => collective.allGather(tag(1), bytes('x'))));
    await assert.rejects(ranks[0]!.allGather(tag(1), bytes('x')), RangeError);
    await assert.rejects(ranks[0]!.allGather(tag(0, 9), bytes('x')), RangeError);
    await Promise.all(ranks.map((collective) => collective.allGather(tag(1, 1), bytes('x'))));
  });
});
