import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { payloadSums } from '../../../../worker/simd/payload-sums.js';
import { randomFrom } from '../../../support/leaves.js';

/** The definition, word by word. */
function sumsOf(payload: Uint8Array): bigint[] {
  const padded = new Uint8Array(Math.ceil(payload.length / 32) * 32);
  padded.set(payload);
  const words = new Uint32Array(padded.buffer);
  const columns = Array.from({ length: 8 }, () => ({ sum: 0n, sumOfSums: 0n }));
  words.forEach((word, index) => {
    const column = columns[index % 8]!;
    column.sum += BigInt(word);
    column.sumOfSums += column.sum;
  });
  // Two columns at a time, as the vectors hold them.
  return [0, 2, 4, 6].flatMap((first) => {
    const [one, other] = [columns[first]!, columns[first + 1]!];
    return [one.sum, other.sum, one.sumOfSums, other.sumOfSums];
  });
}

const summed = (payload: Uint8Array) => [...new BigUint64Array(payloadSums(payload).slice().buffer)];
const anyPayload = fc.uint8Array({ minLength: 1, maxLength: 400 });

describe('the sums of a payload', () => {
  it('are those of its words, of any length and in any memory', () => {
    fc.assert(
      fc.property(anyPayload, fc.boolean(), (bytes, shared) => {
        const payload = new Uint8Array(
          shared ? new SharedArrayBuffer(bytes.length) : new ArrayBuffer(bytes.length),
        );
        payload.set(bytes);
        assert.deepEqual(summed(payload), sumsOf(payload));
      }),
    );
  });

  it('are exact up to a megabyte of the largest words', () => {
    const payload = new Uint8Array(2 ** 20).fill(0xff);
    assert.deepEqual(summed(payload), sumsOf(payload));
  });

  it('tell two flipped bits, and two blocks in each other’s place', () => {
    const random = randomFrom(1);
    const below = (count: number) => Math.floor(random() * count);
    const payload = Uint8Array.from({ length: 2 ** 20 }, () => below(256));
    const right = summed(payload);
    for (let round = 0; round < 20; round++) {
      const changed = payload.slice();
      // The highest bits of two words of a column, an even number of rows apart: sums of 32 bits would not see them.
      const [row, apart] = [below(2 ** 14), 2 * (1 + below(2 ** 13 - 1))];
      for (const one of [row, row + apart]) changed[32 * one + 3]! ^= 0x80;
      assert.notDeepEqual(summed(changed), right);
      const [left, size] = [below(2 ** 9) * 1024, 512];
      const swapped = payload.slice();
      swapped.copyWithin(left, left + size, left + 2 * size);
      swapped.set(payload.subarray(left, left + size), left + size);
      assert.notDeepEqual(summed(swapped), right);
    }
  });
});
