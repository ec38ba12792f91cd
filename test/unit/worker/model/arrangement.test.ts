import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Arrangement } from '../../../../worker/model/arrangement.js';
import { floats, read, scope } from '../../../../worker/tensorflow/tensor.js';
import { testRandom } from '../random.js';

test('tokens one after the other become heads side by side, and tokens again', (t) => {
  const random = testRandom(t);
  for (let round = 0; round < 20; round++) {
    const lengths = Array.from(random.integers(3, 4), (length) => length + 1);
    const arrangement = new Arrangement(lengths);
    const [heads, sliceSize] = [3, 2];
    const slices = [2, 0, 1];
    const values = random.floats(arrangement.tokens * heads * sliceSize);
    scope(() => {
      const x = floats([arrangement.tokens, heads * sliceSize], values);
      const padded = arrangement.toZeroPaddedHeads(x, slices, sliceSize);
      assert.deepEqual(padded.shape, [lengths.length * heads, arrangement.length, sliceSize]);
      const found = read(padded);
      const open = read(arrangement.toHeads(x, slices, sliceSize));
      let place = 0;
      lengths.forEach((length, sequence) => {
        for (const slice of slices) {
          for (let position = 0; position < arrangement.length; position++, place += sliceSize) {
            const from = (arrangement.row(sequence, position) * heads + slice) * sliceSize;
            const wanted = position < length ? values.subarray(from, from + sliceSize) : [0, 0];
            assert.deepEqual([...found.subarray(place, place + sliceSize)], [...wanted]);
            if (position < length)
              assert.deepEqual([...open.subarray(place, place + sliceSize)], [...wanted]);
          }
        }
      });
      // Slice s of a token went to the head at its place in `slices`.
      const groups = [0, 1, 2].map((slice) => slices.indexOf(slice));
      assert.deepEqual(read(arrangement.toTokens(padded, heads, groups)), values);
    });
  }
});
